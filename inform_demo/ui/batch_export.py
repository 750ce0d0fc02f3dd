"""From scored rows to files: CSV, JSONL, and the JSON that PAIR's LLM Comparator opens.

Full precision, rows that failed with their reason. Knows formats; knows no gradio and no scorer.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from inform_demo.batch import BatchRow
from inform_demo.ui.examples import EXAMPLES
from inform_demo.ui.export import comparator_score, neutralised

_TEXTS = ("prompt", "response_a", "response_b", "label", "error")
_NUMBERS = (
    "reward_a",
    "reward_b",
    "margin",
    "preference_probability",
    "preferred",
    "n_tokens_a",
    "n_tokens_b",
    "n_tokens_shared",
    "model",
    "precision",
)


def example_file() -> str:
    """A CSV to try the tab with: the page's examples of one turn, with a label where one answer is simply right."""
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet)
    writer.writerow(("prompt", "response_a", "response_b", "label"))
    for example in EXAMPLES:
        if not example.earlier_turns:
            writer.writerow((example.prompt, example.response_a, example.response_b, example.right))
    return sheet.getvalue()


def row_values(row: BatchRow) -> dict[str, Any]:
    """A row as one flat object: its texts, its comparison if it has one, its error if it has one."""
    comparison = row.comparison.to_dict() if row.comparison else {}
    return {
        "row": row.number,
        **{name: getattr(row, name) for name in _TEXTS},
        **{name: comparison.get(name) for name in _NUMBERS},
    }


def export_csv(rows: Sequence[BatchRow]) -> str:
    """A header and a line a row; what was typed can be no formula, numbers are bare."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["row", *_TEXTS, *_NUMBERS], lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        values = row_values(row)
        writer.writerow({k: neutralised(v) if isinstance(v, str) else v for k, v in values.items()})
    return out.getvalue()


def export_jsonl(rows: Sequence[BatchRow]) -> str:
    """An object a line."""
    return "".join(json.dumps(row_values(row), ensure_ascii=False) + "\n" for row in rows)


def export_llm_comparator(rows: Sequence[BatchRow]) -> str:
    """What PAIR's LLM Comparator opens; rows without a score are left out, as it has no place for them."""
    scored = [(row, row.comparison) for row in rows if row.comparison is not None]
    examples = [
        {
            "index": row.number - 1,
            "input_text": row.prompt,
            "tags": [f"label {row.label}"] if row.label else [],
            "output_text_a": row.response_a,
            "output_text_b": row.response_b,
            "score": comparator_score(comparison.preference_probability),
            "individual_rater_scores": [],
            "custom_fields": {"reward": [comparison.reward_a, comparison.reward_b]},
        }
        for row, comparison in scored
    ]
    value = {
        "metadata": {
            "source_path": "inform_demo",
            "custom_fields_schema": [{"name": "reward", "type": "per_model_number"}],
        },
        "models": [{"name": "Answer A"}, {"name": "Answer B"}],
        "examples": examples,
    }
    return json.dumps(value, ensure_ascii=False, indent=1)


# Format -> how it is written, the file's name, its media type.
EXPORTS: dict[str, tuple[Callable[[Sequence[BatchRow]], str], str, str]] = {
    "CSV": (export_csv, "batch.csv", "text/csv"),
    "JSONL": (export_jsonl, "batch.jsonl", "application/jsonl"),
    "LLM Comparator": (export_llm_comparator, "batch-llm-comparator.json", "application/json"),
}

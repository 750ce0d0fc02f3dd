"""From a finished comparison to text that other programs and people read: `EXPORTS` names the formats.

JSON and CSV keep every digit; Markdown is a report; what asks for the same comparison again is made in `ask_again`.
What a visitor typed stays text in each of them. Knows the formats and their quoting, in English only, as they are read
apart from the page; knows no gradio, no scorer and no layout.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from inform_demo.preference import describe_preference, shown_margin
from inform_demo.types import Message, RewardTrace
from inform_demo.ui.ask_again import export_command, export_curl, export_python, turn_objects
from inform_demo.ui.handlers import Inputs, Outcome

CAVEAT = (
    "A reward has no unit and no fixed range: only the difference between answers to this prompt, by this model, means "
    "something. The preference probability is the model's own belief, not a measured accuracy."
)

DEMONSTRATION = "Small demonstration model: do not rely on its judgement."

# What spreadsheets take for the start of a formula, the full-width forms of the same included.
_FORMULA_STARTS = tuple("=+-@＝＋－＠")


def _finished_at(outcome: Outcome) -> str:
    return datetime.fromtimestamp(outcome.finished_at, UTC).isoformat(timespec="seconds")


def _trace(trace: RewardTrace) -> dict[str, Any]:
    # JSON has no NaN: before the end of an answer the head may give one without any fault.
    return {
        "pieces": list(trace.pieces),
        "values": [value if math.isfinite(value) else None for value in trace.values],
    }


def export_json(outcome: Outcome, address: str = "") -> str:
    """Everything: inputs, comparison, both traces, published rewards, and what computed it with its versions."""
    inputs = outcome.inputs
    value = {
        "inputs": {
            "prompt": inputs.prompt,
            "response_a": inputs.response_a,
            "response_b": inputs.response_b,
            "system": inputs.system,
            "earlier_turns": turn_objects(inputs.earlier_turns),
        },
        "comparison": outcome.comparison.to_dict(),
        "trace_a": _trace(outcome.trace_a),
        "trace_b": _trace(outcome.trace_b),
        "published_rewards": outcome.published,
        "provenance": {**asdict(outcome.report), "finished_at": _finished_at(outcome)},
        "note": " ".join([DEMONSTRATION, CAVEAT] if outcome.report.is_embedded else [CAVEAT]),
    }
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def neutralised(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with an apostrophe before it where one might."""
    starts_one = text.lstrip().startswith(_FORMULA_STARTS) or text[:1] in {"\t", "\r", "\n"}
    return f"'{text}" if starts_one else text


def export_csv(outcome: Outcome, address: str = "") -> str:
    """A header and one row; texts are quoted and can be no formula, numbers are bare and keep every digit."""
    inputs, report = outcome.inputs, outcome.report
    row: dict[str, str | float] = {
        "prompt": inputs.prompt,
        "response_a": inputs.response_a,
        "response_b": inputs.response_b,
        "system": inputs.system,
        "earlier_turns": json.dumps(turn_objects(inputs.earlier_turns), ensure_ascii=False)
        if inputs.earlier_turns
        else "",
        **outcome.comparison.to_dict(),
        "revision": report.revision or "",
        "placement": report.placement,
        "attention_kernel": report.attention_kernel,
        "finished_at": _finished_at(outcome),
        "note": DEMONSTRATION if report.is_embedded else "",
    }
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(row)
    writer.writerow(neutralised(cell) if isinstance(cell, str) else cell for cell in row.values())
    return sheet.getvalue()


def _fenced(text: str) -> str:
    """A text as a block of code; the fence is longer than any run of backticks inside, so nothing ends it early."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    # A carriage return that ends the text would become one line end with ours.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"{fence}text\n{lines}\n{fence}"


def _cell(value: object) -> str:
    """A value as a table's cell: on one line, and nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!&~])", r"\\\1", " ".join(str(value).split()))


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict_words(outcome: Outcome) -> str:
    """The verdict as a sentence, by the tie band that the comparison was made with."""
    comparison = outcome.comparison
    if comparison.preferred == "tie":
        return "Too close to call"
    return describe_preference(comparison.margin, tie_band=0)


def _sections(inputs: Inputs) -> list[tuple[str, str]]:
    return [
        *([("System prompt", inputs.system)] if inputs.system else []),
        *((f"Earlier turn {i}: {turn.role}", turn.content) for i, turn in enumerate(inputs.earlier_turns, 1)),
        ("Prompt", inputs.prompt),
        ("Answer A", inputs.response_a),
        ("Answer B", inputs.response_b),
    ]


def export_markdown(outcome: Outcome, address: str = "") -> str:
    """A report to read: verdict, numbers, texts, and what computed them."""
    comparison, report = outcome.comparison, outcome.report
    probability = comparison.preference_probability
    margin = shown_margin(comparison.reward_a, comparison.reward_b)
    scores: list[tuple[object, ...]] = [
        (report.model, f"{comparison.reward_a:.2f}", f"{comparison.reward_b:.2f}", f"{margin:+.2f}")
    ]
    if outcome.published:
        a, b = outcome.published
        scores.append(
            ("INF-ORM-70B, bf16, as its authors published", f"{a:.2f}", f"{b:.2f}", f"{shown_margin(a, b):+.2f}")
        )
    facts = [
        ("Model's belief", f"A {probability:.1%}, B {1 - probability:.1%}"),
        ("Tokens", f"A {comparison.n_tokens_a}, B {comparison.n_tokens_b}, shared {comparison.n_tokens_shared}"),
        ("Computed in", f"{comparison.elapsed_s:.2f} s, finished {_finished_at(outcome)}"),
        ("Revision", report.revision or "local folder"),
        ("Precision", f"{report.precision}: {report.precision_reason}"),
        ("Attention kernel", f"{report.attention_kernel}: {report.attention_reason}"),
        ("Device", f"{report.placement}: {report.placement_reason}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
    ]
    warning = [f"**{DEMONSTRATION}**"] if report.is_embedded else []
    parts = [
        f"# {verdict_words(outcome)}",
        *warning,
        _table(("Model", "Reward A", "Reward B", "Margin (A − B)"), scores),
        CAVEAT,
        *(f"## {name}\n\n{_fenced(text)}" for name, text in _sections(outcome.inputs)),
        f"## How this was computed\n\n{_table(('What', 'Value'), facts)}",
    ]
    return "\n\n".join(parts) + "\n"


def comparator_score(preference_probability: float) -> float:
    """The belief on the scale of LLM Comparator: above 0 where A is better, within (-1, 1).

    That tool takes a file whose lowest score is 1 or more for one without a middle, and then shows no winner.
    """
    return max(-math.nextafter(1, 0), min(math.nextafter(1, 0), 2 * preference_probability - 1))


def export_llm_comparator(outcome: Outcome, address: str = "") -> str:
    """The file that PAIR's LLM Comparator opens, with this comparison as its one example."""
    inputs, comparison, report = outcome.inputs, outcome.comparison, outcome.report
    probability = comparison.preference_probability
    score = comparator_score(probability)
    before = [*([Message("system", inputs.system)] if inputs.system else []), *inputs.earlier_turns]
    turns = [*(f"[{turn.role}]\n{turn.content}" for turn in before), *(["[user]"] if before else [])]
    rationale = (
        f"{report.model} gives A a reward of {comparison.reward_a} and B one of {comparison.reward_b}, a margin of "
        f"{comparison.margin}: it believes with {probability:.1%} that A is better. It gives no reasons in words."
    )
    rating = {
        "index": 0,
        "score": score,
        "rating_label": verdict_words(outcome),
        "is_flipped": False,
        "rationale": rationale,
        "custom_fields": {},
    }
    example = {
        "index": 0,
        "input_text": "\n\n".join([*turns[:-1], f"{turns[-1]}\n{inputs.prompt}"] if turns else [inputs.prompt]),
        "tags": ["several turns" if inputs.earlier_turns else "one turn"],
        "output_text_a": inputs.response_a,
        "output_text_b": inputs.response_b,
        "score": score,
        "individual_rater_scores": [rating],
        "rationale_list": [],
        "custom_fields": {
            "reward": [comparison.reward_a, comparison.reward_b],
            "model_belief": [probability, 1 - probability],
            "n_tokens": [comparison.n_tokens_a, comparison.n_tokens_b],
            "reward_model": report.model,
        },
    }
    # One example has one margin, and the tool's histogram of a single plain number divides by its range of 0.
    schema = [{"name": name, "type": "per_model_number"} for name in ("reward", "model_belief", "n_tokens")]
    value = {
        "metadata": {
            "source_path": f"inform-demo, {report.model}, {_finished_at(outcome)}",
            "custom_fields_schema": [*schema, {"name": "reward_model", "type": "category"}],
        },
        "models": [{"name": "Answer A"}, {"name": "Answer B"}],
        "examples": [example],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


EXPORTS: dict[str, Callable[[Outcome, str], str]] = {
    "JSON": export_json,
    "CSV": export_csv,
    "Markdown": export_markdown,
    "LLM Comparator (JSON)": export_llm_comparator,
    "curl": export_curl,
    "Python": export_python,
    "Command line": export_command,
}

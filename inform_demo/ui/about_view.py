"""The About tab's HTML: the loaded model's own card, and what a visitor should know of INF-ORM-70B and its scores.

Knows markup, the embedded model's recorded results, and what INF-ORM's authors published; knows no gradio, no scorer
and no layout. The numbers of the embedded model are read, not written here, so that they are those of its checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from inform_demo.config import EMBEDDED_MODEL, INFORM_70B
from inform_demo.recipe.results import Evaluation, SubsetResult, evaluation_from_dict, together
from inform_demo.recipe.rewardbench import REWARDBENCH
from inform_demo.types import LoadReport
from inform_demo.ui.handlers import ModelStatus
from inform_demo.ui.status_view import describe_verification
from inform_demo.ui.texts import Texts, describe_fault
from inform_demo.ui.view import definitions, paragraph

CARD_URL = f"https://huggingface.co/{INFORM_70B}"

# Label, loss weight.
MAGNITUDES = ((1, 1), (2, 3), (3, 10))

# Score, chat, chat hard, safety, reasoning; from the model card of INF-ORM-Llama3.1-70B, to the letter.
MERGE = tuple((name, *scores) for name, scores in REWARDBENCH.published.items())
LEADERBOARD = (
    ("infly/INF-ORM-Llama3.1-70B", "Seq. Classifier", 95.1, 96.6, 91.0, 93.6, 99.1),
    ("Skywork/Skywork-Reward-Gemma-2-27B-v0.2", "Seq. Classifier", 94.3, 96.1, 89.9, 93.0, 98.1),
    ("nvidia/Llama-3.1-Nemotron-70B-Reward", "Custom Classifier", 94.1, 97.5, 85.7, 95.1, 98.1),
    ("Skywork/Skywork-Reward-Gemma-2-27B", "Seq. Classifier", 93.8, 95.8, 91.4, 91.9, 96.1),
    ("SF-Foundation/TextEval-Llama3.1-70B", "Generative", 93.5, 94.1, 90.1, 93.2, 96.4),
    ("meta-metrics/MetaMetrics-RM-v1.0", "Custom Classifier", 93.4, 98.3, 86.4, 90.8, 98.2),
    ("Skywork/Skywork-Critic-Llama-3.1-70B", "Generative", 93.3, 96.6, 87.9, 93.1, 95.5),
    ("Skywork/Skywork-Reward-Llama-3.1-8B-v0.2", "Seq. Classifier", 93.1, 94.7, 88.4, 92.7, 96.7),
    ("nicolinho/QRM-Llama3.1-8B", "Seq. Classifier", 93.1, 94.4, 89.7, 92.3, 95.8),
    ("LxzGordon/URM-LLaMa-3.1-8B", "Seq. Classifier", 92.9, 95.5, 88.2, 91.1, 97.0),
)

LOSS = "loss = −α · d · log σ(r_chosen − r_rejected)"


def read_embedded_results() -> Evaluation | None:
    """What `inform-demo evaluate` recorded of the embedded model; None where that cannot be read."""
    try:
        recorded = json.loads((EMBEDDED_MODEL / "results.json").read_text(encoding="utf-8"))
        return evaluation_from_dict(recorded)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _heading(words: str, level: int = 2) -> str:
    return f"<h{level}>{escape(words)}</h{level}>"


def _items(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _command(line: str) -> str:
    return f'<p class="command"><code>{escape(line)}</code></p>'


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], n_words: int = 1) -> str:
    """A table that a keyboard can scroll where it is wider than the screen.

    Args:
        n_words: how many of the first columns hold words; the rest holds numbers.
    """
    kinds = ["text" if i < n_words else "figure" for i in range(len(head))]
    cells = "".join(
        f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in zip(head, kinds, strict=True)
    )
    body = "".join(_row(row, kinds) for row in rows)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[object], kinds: Sequence[str]) -> str:
    first, *others = (escape(str(value)) for value in row)
    cells = "".join(f'<td class="{kind}">{value}</td>' for value, kind in zip(others, kinds[1:], strict=True))
    return f'<tr><th scope="row" class="{kinds[0]}">{first}</th>{cells}</tr>'


def format_bytes(n_bytes: int) -> str:
    """Megabytes up to a thousand, then gigabytes, both in powers of ten."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.0f} MB"


def _facts(t: Texts, report: LoadReport) -> str:
    memory = t.about.memory_value.format(
        weights=format_bytes(report.weight_bytes), taken=format_bytes(report.memory_bytes)
    )
    rows = (
        (t.page.model, report.model),
        (t.compare.revision, report.revision or t.compare.revision_local),
        (t.about.parameters, f"{report.n_parameters:,}"),
        (t.page.precision, f"{report.precision}: {report.precision_reason}"),
        (t.compare.kernel, f"{report.attention_kernel}: {report.attention_reason}"),
        (t.compare.device, f"{report.placement}: {report.placement_reason}"),
        (t.about.memory, memory),
        (t.about.limit, f"{report.max_tokens:,}"),
        (t.about.load_time, t.page.seconds.format(seconds=report.load_s)),
        (t.compare.versions, ", ".join(f"{name} {version}" for name, version in report.versions.items()) or "–"),
    )
    return f'<dl class="provenance">{definitions(rows)}</dl>'


def _what(t: Texts, source: str) -> str:
    asked = {
        "gsm8k": t.about.what_gsm8k,
        "hep": t.about.what_hep,
        "hh": t.about.what_hh,
        "just-eval": t.about.what_safety,
        "llmbar": t.about.what_llmbar,
        "oasst": t.about.what_oasst,
        "pandalm": t.about.what_oasst,
        "vicuna": t.about.what_vicuna,
        "synthetic": t.about.what_synthetic,
    }
    return next((words for start, words in asked.items() if source.startswith(start)), "")


def is_learnt(result: SubsetResult) -> bool:
    """Whether the whole interval lies above tossing a coin and above going by length."""
    return result.low > max(0.5, result.length_wins)


def _share(value: float) -> str:
    return f"{value * 100:.1f} %"


def _interval(result: SubsetResult) -> str:
    return f"{_share(result.low)} – {_share(result.high)}"


def _result_row(t: Texts, result: SubsetResult) -> tuple[str, ...]:
    rules = {"longer": t.about.longer, "shorter": t.about.shorter, "either": t.about.either}
    return (
        result.source,
        _what(t, result.source),
        t.about.yes if is_learnt(result) else t.about.no,
        f"{result.n:,} ({result.n_prompts:,})",
        _share(result.accuracy),
        _interval(result),
        f"{_share(result.length_wins)} ({rules[result.length_rule]})",
    )


def _results_table(t: Texts, evaluation: Evaluation) -> str:
    words = t.about
    head = (
        words.result_set, words.result_what, words.result_learnt, words.result_n, words.result_accuracy,
        words.result_interval, words.result_length,
    )  # fmt: skip
    caption = words.results_caption.format(model=evaluation.model, precision=evaluation.precision, data=evaluation.data)
    left_out = words.result_left_out.format(n_too_long=evaluation.n_too_long, n_invalid=evaluation.n_invalid)
    table = _table(caption, head, [_result_row(t, result) for result in evaluation.subsets], n_words=3)
    return f"<details><summary>{escape(words.results_each)}</summary>{table}{paragraph(left_out)}</details>"


def render_results(t: Texts, evaluation: Evaluation) -> str:
    """The embedded model's accuracy a set, with what it takes to judge it, its limits, and the commands for both."""
    words, total = t.about, together("", evaluation.subsets)
    summary = words.results_summary.format(
        n=total.n, accuracy=_share(total.accuracy), interval=_interval(total), length=_share(total.length_wins)
    )
    n_sets = len(evaluation.subsets)
    n_unlearnt = n_sets - sum(map(is_learnt, evaluation.subsets))
    limits = (
        *([words.limits_not_learnt.format(n=n_unlearnt, n_all=n_sets)] if n_unlearnt else []),
        words.limits_belief,
        words.limits_english,
    )
    return (
        f"{_heading(words.results_heading, 3)}<p class='prose'><strong>{escape(summary)}</strong></p>"
        f"{paragraph(words.results_intro, 'prose')}{_results_table(t, evaluation)}"
        f"{paragraph(words.result_command, 'prose')}{_command(f'inform-demo evaluate --data {evaluation.data}')}"
        f"{_heading(words.limits_heading, 3)}{_items(limits)}{paragraph(words.limits_try, 'prose')}"
        f"{_command('inform-demo compare --json --prompt P --response-a A --response-b B')}"
    )


def render_model(t: Texts, status: ModelStatus) -> str:
    """The card of the model that answers on this page; what is known of it while it loads."""
    heading = _heading(t.about.model_heading)
    if status.report is None:
        words = t.about.model_loading if status.state == "loading" else t.about.model_failed
        detail = paragraph(describe_fault(t, status.failure), "prose") if status.failure else ""
        return f'<div class="about">{heading}{paragraph(words, "prose")}{detail}</div>'
    own = ""
    if status.report.is_embedded:
        evaluation = read_embedded_results()
        own = render_results(t, evaluation) if evaluation else ""
        heading += paragraph(t.about.model_embedded, "prose")
    if status.report.verification:
        heading += paragraph(describe_verification(t, status.report.verification), "prose")
    return f'<div class="about">{heading}{_facts(t, status.report)}{own}</div>'


def _bear(t: Texts) -> str:
    words = t.about
    return (
        f"{_heading(words.bear_heading)}<div class='side-by-side'>"
        f"<div>{_heading(words.can_heading, 3)}{_items((words.can_prefer, words.can_repeat, words.can_order))}</div>"
        f"<div>{_heading(words.cannot_heading, 3)}"
        + _items(
            (words.cannot_prompts, words.cannot_models, words.cannot_good, words.cannot_true, words.cannot_right),
        )
        + "</div></div>"
    )


def _glossary(t: Texts) -> str:
    words = t.about
    rows = (
        (words.reward_term, words.reward_meaning),
        (words.margin_term, words.margin_meaning),
        (words.probability_term, words.probability_meaning),
        (words.tie_term, words.tie_meaning),
        (words.trace_term, words.trace_meaning),
        (words.piece_term, words.piece_meaning),
    )
    return f'{_heading(words.glossary_heading)}<dl class="glossary">{definitions(rows)}</dl>'


def _made(t: Texts) -> str:
    words = t.about
    magnitudes = zip((words.magnitude_1, words.magnitude_2, words.magnitude_3), MAGNITUDES, strict=True)
    table = _table(
        words.magnitude_caption,
        (words.magnitude_words, words.magnitude_label, words.magnitude_weight),
        [(name, label, weight) for name, (label, weight) in magnitudes],
    )
    return (
        f"{_heading(words.made_heading)}{paragraph(words.made_intro, 'prose')}"
        f"{paragraph(words.made_head, 'prose')}{paragraph(words.made_data, 'prose')}"
        f"{paragraph(words.made_magnitude, 'prose')}{table}"
        f"{paragraph(words.made_loss, 'prose')}{_command(LOSS)}{paragraph(words.made_loss_note)}"
        f"{paragraph(words.made_merge, 'prose')}"
    )


def _published(t: Texts) -> str:
    words = t.about
    scores = (words.score, words.chat, words.chat_hard, words.safety, words.reasoning)
    merged = [(name, *(f"{value:.1f}" for value in values)) for name, *values in MERGE]
    board = [
        (name, i, kind, *(f"{value:.1f}" for value in values)) for i, (name, kind, *values) in enumerate(LEADERBOARD, 1)
    ]
    return (
        f"{_heading(words.published_heading)}"
        f'<p class="prose">{escape(words.published_note)} '
        f'<a href="{CARD_URL}" rel="noreferrer">{escape(INFORM_70B)}</a></p>'
        f"{_table(words.merge_caption, (t.page.model, *scores), merged)}{paragraph(words.merge_note)}"
        f"{_table(words.board_caption, (t.page.model, words.rank, words.kind, *scores), board, n_words=3)}"
    )


def render_about(t: Texts) -> str:
    """What does not depend on the loaded model: scores, words, where text goes, how INF-ORM-70B was made."""
    text = (t.page.privacy, t.about.text_link, t.about.text_others)
    return (
        f'<div class="about">{_bear(t)}{_glossary(t)}'
        f"{_heading(t.about.text_heading)}{_items(text)}{_made(t)}{_published(t)}</div>"
    )

"""From a finished comparison to what stands below its verdict: trace, difference, how it was computed.

Knows markup and plain rows; knows no gradio, no scorer and no layout. Texts go through `html.escape`, as in `view`.
"""

from __future__ import annotations

import difflib
import math
import re
from html import escape
from typing import Any

from inform_demo.types import RewardTrace
from inform_demo.ui.handlers import Outcome
from inform_demo.ui.texts import Texts
from inform_demo.ui.view import definitions, format_reward, mark, paragraph

# More points than pixels show nothing more.
MOST_POINTS = 600
MOST_ROWS = 200

# difflib takes a time that grows with the square of the words.
MOST_DIFFERENCE_WORDS = 6000

# The share of tokens that is marked as moving the value most, by more than a shade.
MARKED_SHARE = 0.1

# The largest change shades a token this much; more would cost its text its contrast.
MOST_SHADE_PERCENT = 32


def _every(n: int, most: int) -> int:
    return max(1, -(-n // most))


def trace_points(t: Texts, outcome: Outcome) -> dict[str, list[Any]]:
    """Columns for a line plot: token number, value, and the answer's name."""
    columns: dict[str, list[Any]] = {"token": [], "value": [], "answer": []}
    for name, trace in ((t.page.answer_a, outcome.trace_a), (t.page.answer_b, outcome.trace_b)):
        n = len(trace.values)
        step = _every(n, MOST_POINTS)
        # Counted back from the end, so that the last point, the reward, is always there.
        for i in sorted(range(n - 1, -1, -step)):
            columns["token"].append(i + 1)
            columns["value"].append(trace.values[i])
            columns["answer"].append(name)
    return columns


def _changes(trace: RewardTrace) -> list[float]:
    return [0.0, *(after - before for before, after in zip(trace.values, trace.values[1:], strict=False))]


def _shaded(t: Texts, letter: str, name: str, trace: RewardTrace, largest: float) -> str:
    changes = _changes(trace)
    sizes = [abs(change) for piece, change in zip(trace.pieces, changes, strict=True) if piece.strip()]
    least = sorted(sizes, reverse=True)[max(1, round(MARKED_SHARE * len(sizes))) - 1]
    spans = []
    for piece, change, value in zip(trace.pieces, changes, trace.values, strict=True):
        # Shading the blank before a word would run words together, and a line under it hang at the end of a line.
        token = piece.lstrip()
        blank, shown = escape(piece.removesuffix(token)), escape(token)
        if token and change and math.isfinite(change):
            kind, word, sign = (
                ("rise", t.compare.trace_rise, "+") if change > 0 else ("fall", t.compare.trace_fall, "−")
            )
            title = f"{word}: {format_reward(change, signed=True)} → {format_reward(value)}"
            shade = f"--shade:{abs(change) / largest * MOST_SHADE_PERCENT:.0f}%"
            most, sup = (" most", f"<sup>{sign}</sup>") if abs(change) >= least else ("", "")
            shown = f'<span class="{kind}{most}" style="{shade}" title="{escape(title)}">{shown}{sup}</span>'
        spans.append(blank + shown)
    return f'<div><p class="shaded-name">{mark(letter)} {escape(name)}</p><p class="shaded">{"".join(spans)}</p></div>'


def _trace_table(t: Texts, letter: str, name: str, trace: RewardTrace) -> str:
    n = len(trace.values)
    step = _every(n, MOST_ROWS)
    rows = "".join(
        f"<tr><td>{i + 1}</td><td>{escape(trace.pieces[i]) or escape(t.compare.trace_end)}</td>"
        f"<td>{format_reward(trace.values[i])}</td></tr>"
        for i in sorted(range(n - 1, -1, -step))
    )
    note = paragraph(t.compare.trace_every.format(step=step)) if step > 1 else ""
    head = "".join(
        f'<th scope="col">{escape(cell)}</th>' for cell in ("#", t.compare.trace_piece, t.compare.trace_reward)
    )
    label = escape(f"{t.compare.trace_plot}: {name}")
    return (
        # It scrolls, so it must be within reach of the keyboard.
        f'<div class="trace-table" role="region" tabindex="0" aria-label="{label}">'
        f'<p class="shaded-name">{mark(letter)} {escape(name)}</p>{note}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _legend(t: Texts) -> str:
    sample = f'style="--shade:{MOST_SHADE_PERCENT}%"'
    kinds = (("rise", t.compare.trace_rise), ("fall", t.compare.trace_fall))
    rises, falls = (f'<span class="{kind}" {sample}>{escape(word)}</span>' for kind, word in kinds)
    shades = escape(t.compare.trace_shades).format(rises=rises, falls=falls)
    return f'<p class="note">{shades} {escape(t.compare.trace_legend)}</p>'


def render_trace(t: Texts, outcome: Outcome) -> str:
    """Both answers' texts shaded by how far each token moves the value, on one scale, and all values as a table."""
    answers = (("A", t.page.answer_a, outcome.trace_a), ("B", t.page.answer_b, outcome.trace_b))
    sizes = (abs(change) for *_, trace in answers for change in _changes(trace) if math.isfinite(change))
    largest = max(sizes, default=0.0)
    texts = "".join(_shaded(t, *answer, largest) for answer in answers)
    tables = "".join(_trace_table(t, *answer) for answer in answers)
    return (
        f"{_legend(t)}"
        f'<div class="side-by-side">{texts}</div>{paragraph(t.compare.trace_note)}'
        f'<details><summary>{escape(t.compare.trace_table)}</summary><div class="side-by-side">{tables}</div></details>'
    )


def render_difference(t: Texts, outcome: Outcome) -> str:
    """The words of both answers in one text; those that only one answer has bear its letter.

    Gradio's HighlightedText was looked at: it tells A from B by colour alone and breaks lines inside words.
    """
    a, b = (re.findall(r"\s*\S+", answer) for answer in (outcome.inputs.response_a, outcome.inputs.response_b))
    words_a, words_b = ([word.strip() for word in words] for words in (a, b))
    if len(a) + len(b) > MOST_DIFFERENCE_WORDS:
        return paragraph(t.compare.difference_long.format(count=len(a) + len(b), limit=MOST_DIFFERENCE_WORDS))
    if words_a == words_b:
        return paragraph(t.compare.difference_same)

    def only(letter: str, words: list[str]) -> str:
        if not words:
            return ""
        name = escape(t.compare.only_a if letter == "A" else t.compare.only_b)
        opening = f'<span class="only only-{letter.lower()}" title="{name}">'
        # Line by line, as a line under the blanks between two would hang in the air.
        parts = re.split(r"(^\s+|\s*\n\s*)", "".join(words))
        marked = "".join(f"{opening}{escape(part)}</span>" if part.strip() else escape(part) for part in parts)
        return f"{marked.removesuffix('</span>')}<sup>{letter}</sup></span>"

    pieces = []
    for kind, a1, a2, b1, b2 in difflib.SequenceMatcher(None, words_a, words_b, autojunk=False).get_opcodes():
        same = kind == "equal"
        pieces.append(escape("".join(a[a1:a2])) if same else only("A", a[a1:a2]) + only("B", b[b1:b2]))
    legend = (
        f'<span class="only only-a">{escape(t.compare.only_a)}<sup>A</sup></span> '
        f'<span class="only only-b">{escape(t.compare.only_b)}<sup>B</sup></span>'
    )
    return (
        f'{paragraph(t.compare.difference_note)}<p class="difference-legend">{legend}</p>'
        f'<p class="shaded">{"".join(pieces)}</p>'
    )


def render_provenance(t: Texts, outcome: Outcome) -> str:
    """What computed the rewards, of what, and why it was chosen."""
    report, comparison = outcome.report, outcome.comparison
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    rows = [
        (t.page.model, report.model),
        (t.compare.revision, report.revision or t.compare.revision_local),
        (t.page.precision, f"{report.precision}: {report.precision_reason}"),
        (t.compare.kernel, f"{report.attention_kernel}: {report.attention_reason}"),
        (t.compare.device, f"{report.placement}: {report.placement_reason}"),
        (t.compare.versions, versions),
        (t.compare.tokens_a, f"{comparison.n_tokens_a:,}"),
        (t.compare.tokens_b, f"{comparison.n_tokens_b:,}"),
        (t.page.tokens_shared, f"{comparison.n_tokens_shared:,}"),
        (t.page.time, t.page.seconds.format(seconds=comparison.elapsed_s)),
    ]
    if checked := report.verification:
        got, due = (" / ".join(map(format_reward, pair)) for pair in (checked.rewards, checked.expected))
        words = t.compare.self_test_value.format(got=got, expected=due, tolerance=checked.tolerance)
        rows.append((t.compare.self_test, words))
    return f'<dl class="provenance">{definitions(rows)}</dl>'


def render_order_check(t: Texts, differences: tuple[float, float]) -> str:
    """What scoring the pair the other way round changed."""
    a, b = differences
    words = t.compare.check_order_other.format(a=a, b=b) if a or b else t.compare.check_order_same
    return paragraph(words, "message")

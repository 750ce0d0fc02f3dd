"""From a batch to the page's HTML and table rows: progress, summary, histogram.

Knows markup and plain rows; knows no gradio and no scorer. Texts go through `html.escape`, as in `view`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from inform_demo.batch import BatchRow, BatchRun, BatchSummary, bin_margins, readable
from inform_demo.batch_files import MOST_BYTES, MOST_ROWS, Table
from inform_demo.types import LoadReport
from inform_demo.ui.texts import Texts, describe_fault
from inform_demo.ui.view import definitions, describe, embedded_warning, format_reward, paragraph

# Longer texts are shortened in the preview and the table, with a mark.
MOST_SHOWN_CHARACTERS = 160

N_PREVIEWED = 5


def shorten(value: object) -> str:
    """A cell as one line of text, with an ellipsis where it is cut."""
    line = " ".join(readable(value).split())
    return line if len(line) <= MOST_SHOWN_CHARACTERS else f"{line[:MOST_SHOWN_CHARACTERS]}…"


def render_file_label(t: Texts) -> str:
    """The bounds, and where the file goes."""
    bounds = t.batch.file.format(rows=MOST_ROWS, megabytes=MOST_BYTES // 1_000_000)
    return f"<p>{escape(t.batch.intro)}</p>{paragraph(f'{bounds} {t.batch.file_note}')}"


def render_file_read(t: Texts, name: str, table: Table) -> str:
    """What was read."""
    words = t.batch.file_read.format(name=name, rows=len(table.rows), columns=", ".join(table.columns))
    return paragraph(words, "message")


def preview_rows(table: Table) -> list[list[str]]:
    """The first rows, shortened."""
    return [[shorten(row.get(column)) for column in table.columns] for row in table.rows[:N_PREVIEWED]]


def _duration(t: Texts, seconds: float) -> str:
    if seconds < 90:
        return t.batch.seconds_left.format(n=max(1, round(seconds)))
    return t.batch.minutes_left.format(n=round(seconds / 60))


def render_progress(t: Texts, run: BatchRun | None, state: str, message: str = "") -> str:
    """How far a run is.

    Args:
        run: None where none could begin.
        state: "running", "stopped", "failed" or "done"; the page's script goes on only while it is "running".
        message: why it failed.
    """
    done, total, left_s = (len(run.done), len(run.rows), run.left_s) if run else (0, 0, 0.0)
    failed = t.batch.progress_failed if run and run.done and not run.is_finished else "{message}"
    words = {
        "running": t.batch.progress.format(done=done, total=total, left=_duration(t, left_s)),
        "stopped": t.batch.progress_stopped.format(done=done, total=total),
        "failed": failed.format(message=message),
        "done": t.batch.progress_done.format(total=total),
    }[state]
    percent = 100 * done / total if total else 0
    return (
        f'<div class="batch-progress" data-state="{state}">'
        f'<div class="batch-bar" role="progressbar" aria-label="{escape(t.batch.progress_label)}" aria-valuemin="0" '
        f'aria-valuemax="{total}" aria-valuenow="{done}"><span style="width:{percent:.1f}%"></span></div>'
        f"<p>{escape(words)}</p></div>"
    )


def render_summary(t: Texts, summary: BatchSummary, report: LoadReport) -> str:
    """The counts, the accuracy where there are labels, and how far length decides.

    Args:
        report: of the model that scored, which is named for what it is.
    """

    def share(n: int) -> str:
        return t.batch.of_scored.format(n=n, percent=f"{100 * n / summary.n_scored:.0f}\N{NO-BREAK SPACE}%")

    rows = [(t.batch.summary_scored, f"{summary.n_scored:,}"), (t.batch.summary_failed, f"{summary.n_failed:,}")]
    if summary.n_scored:
        rows += [
            (t.batch.summary_a, share(summary.n_a)),
            (t.batch.summary_b, share(summary.n_b)),
            (t.batch.summary_tie, share(summary.n_tie)),
        ]
    if summary.accuracy is not None and summary.low is not None and summary.high is not None:
        accuracy, low, high = (
            f"{100 * value:.1f}\N{NO-BREAK SPACE}%" for value in (summary.accuracy, summary.low, summary.high)
        )
        words = t.batch.summary_accuracy_value.format(percent=accuracy, n=summary.n_labelled, low=low, high=high)
        rows.append((t.batch.summary_accuracy, words))
    if summary.longer_preferred is not None:
        words = t.batch.summary_longer_value.format(percent=f"{100 * summary.longer_preferred:.0f}\N{NO-BREAK SPACE}%")
        rows.append((t.batch.summary_longer, words))
    if summary.length_correlation is not None:
        value = format_reward(summary.length_correlation, signed=True)
        rows.append((t.batch.summary_correlation, t.batch.summary_correlation_value.format(value=value)))
    return (
        f"{embedded_warning(t, report)}<h3>{escape(t.batch.summary)}</h3>"
        f'<dl class="provenance">{definitions(rows)}</dl>'
    )


def histogram_points(rows: Sequence[BatchRow]) -> dict[str, list[Any]]:
    """Columns for a bar plot: the middle of each bin and its rows."""
    bins = bin_margins(rows)
    return {"margin": [(low + high) / 2 for low, high, _ in bins], "rows": [n for _, _, n in bins]}


def bin_width(rows: Sequence[BatchRow]) -> float | None:
    """How wide the bins of the histogram are; None where there is none."""
    return next((high - low for low, high, _ in bin_margins(rows)), None)


def render_histogram_table(t: Texts, rows: Sequence[BatchRow]) -> str:
    """The histogram for those who do not see it."""
    bins = bin_margins(rows)
    if not bins:
        return ""
    head = "".join(
        f'<th scope="col">{escape(cell)}</th>'
        for cell in (t.batch.histogram_from, t.batch.histogram_to, t.batch.histogram_rows)
    )
    body = "".join(
        f"<tr><td>{format_reward(low, signed=True)}</td><td>{format_reward(high, signed=True)}</td><td>{n:,}</td></tr>"
        for low, high, n in bins
    )
    return (
        f"<details><summary>{escape(t.batch.histogram_table)}</summary>"
        f'<div class="trace-table" role="region" tabindex="0" aria-label="{escape(t.batch.histogram)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def table_headers(t: Texts) -> list[str]:
    """Heads of the columns of `table_rows`."""
    return [
        t.batch.table_row, t.batch.table_words, t.page.margin, t.batch.table_belief, t.batch.table_label, t.page.prompt,
        t.page.answer_a, t.page.answer_b, t.batch.table_error,
    ]  # fmt: skip


def table_rows(t: Texts, rows: Sequence[BatchRow], tie_band: float) -> list[list[Any]]:
    """The rows as the page lists them: numbers as numbers, so that they sort, texts shortened."""
    return [
        [
            row.number,
            describe(t, row.comparison.margin, tie_band) if row.comparison else "",
            round(row.comparison.margin, 3) if row.comparison else None,
            round(row.comparison.preference_probability, 3) if row.comparison else None,
            row.label or "",
            *(shorten(text) for text in (row.prompt, row.response_a, row.response_b)),
            shorten(describe_fault(t, row.fault)) if row.fault else "",
        ]
        for row in rows
    ]

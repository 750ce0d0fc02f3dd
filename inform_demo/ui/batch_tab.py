"""The Batch tab: where its parts stand and what its events call.

A run is a chain of short events, each with its place in the one queue: an event that held the model for a whole file
would keep every other visitor waiting for minutes. The browser asks for the next step until the file is done or Stop
was pressed; the rows done so far are kept on the server, in `batch_jobs`. Knows gradio; nothing of rewards or markup.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pandas as pd

from inform_demo.batch import MOST_API_PAIRS, BatchRun, summarise
from inform_demo.batch_files import LABEL_IS_A, Columns, guess_columns
from inform_demo.config import ServeConfig
from inform_demo.errors import InputError, ScoringError
from inform_demo.slot import ScorerSlot
from inform_demo.types import LoadReport
from inform_demo.ui import batch_view, handlers, view
from inform_demo.ui.batch_export import EXPORTS, example_file, row_values
from inform_demo.ui.batch_jobs import MOST_JOBS_OF_ONE, Job, Jobs, read_upload
from inform_demo.ui.batch_panel import BatchPanel, build_batch_panel
from inform_demo.ui.events import (
    ASIDE,
    IS_ENDING,
    RESTART_S,
    SCORING,
    Static,
    api_error,
    in_every_language,
    texts_of,
    words_of,
)
from inform_demo.ui.texts import ENGLISH, Texts
from inform_demo.web.metrics import count_fault

# How long one step holds the model: short beside the patience of the next visitor, long beside a step's own cost.
STEP_S = 1.5

_NO_COLUMN = ""


def _build_jobs(config: ServeConfig) -> Jobs:
    """Places for files; of one visitor there are fewer where the gate limits visitors at all."""
    return Jobs(most_of_one=MOST_JOBS_OF_ONE if config.visitor_limit else None)


def _keep(jobs: Jobs, job: Job, key: str, t: Texts) -> str:
    """The key of a job that has its place now, instead of that of `key` where room is needed."""
    new_key = jobs.add(job, instead=key)
    if new_key is None:
        is_share = jobs.has_share(job.visitor)
        raise InputError(t.batch.full_of_one.format(count=jobs.most_of_one) if is_share else t.batch.full)
    return new_key


def _opened(tab: BatchPanel, job: Job, columns: Columns | None, t: Texts) -> dict[Any, Any]:
    """A file that was read: its first rows, and what its columns mean."""
    table = job.table
    chosen = (columns.prompt, columns.response_a, columns.response_b, columns.label) if columns else (None,) * 4
    nothing = (t.batch.column_none, _NO_COLUMN)
    names = [(column, column) for column in table.columns]
    choices = ([nothing, *names], names, names, [nothing, *names, (LABEL_IS_A, LABEL_IS_A)])
    dropdowns = [
        gr.Dropdown(options, value=value or (_NO_COLUMN if nothing in options else None))
        for options, value in zip(choices, chosen, strict=True)
    ]
    return {
        tab.file_note: batch_view.render_file_read(t, job.name, table),
        tab.setup: gr.Column(visible=True),
        tab.preview: gr.Dataframe(
            batch_view.preview_rows(table), headers=list(table.columns), datatype=["str"] * len(table.columns)
        ),
        **dict(zip(tab.columns, dropdowns, strict=True)),
        tab.run: gr.Button(value=t.batch.run, interactive=True),
    }


def _connect_file(tab: BatchPanel, jobs: Jobs) -> None:
    csv = json.dumps(example_file())
    tab.example.click(None, None, None, js=f"() => inform.save({csv}, 'example-pairs.csv', 'text/csv')")

    def read(path: str | None, key: str, request: gr.Request) -> dict[Any, Any]:
        t = texts_of(request)
        if path is None:
            return {tab.file_note: gr.skip()}
        try:
            job = read_upload(path)
            if job is None:
                raise InputError(t.batch.gone)  # noqa: TRY301 - said in the same place as any other fault
            opened = _opened(tab, job, guess_columns(job.table.columns), t)
            new_key = _keep(jobs, job, key, t)
        except Exception as error:
            # The file before it stays, and with it its rows.
            kept = f" {t.batch.file_kept}" if jobs.get(key) else ""
            return {tab.file: None, tab.file_note: view.paragraph(words_of(error, t) + kept, "message")}
        return {
            tab.file: None,
            tab.result: gr.Column(visible=False),
            tab.progress: "",
            **opened,
            tab.key: new_key,
        }

    outputs = [
        tab.file, tab.file_note, tab.setup, tab.preview, *tab.columns, tab.result, tab.progress, tab.key, tab.run,
    ]  # fmt: skip
    tab.file.upload(read, [tab.file, tab.key], outputs, **ASIDE).then(
        None, tab.key, None, js="(key) => { inform.keepBatch(key); }"
    )

    def relabel(key: str, request: gr.Request, *columns: str | None) -> Any:
        return gr.Button(value=_run_label(jobs.get(key), columns, texts_of(request)))

    # Another meaning of the columns is another run; the rows done stay until it begins.
    gr.on([column.input for column in tab.columns], relabel, [tab.key, *tab.columns], tab.run, **ASIDE)


def _connect_memory(demo: gr.Blocks, tab: BatchPanel, jobs: Jobs, slot: ScorerSlot, tie_band: float) -> None:
    """Bring back the file and the rows done after a reload, Gradio's own after a lost connection included."""

    def bring_back(key: str, request: gr.Request) -> dict[Any, Any]:
        t, job = texts_of(request), jobs.get(key)
        if job is None:
            return {tab.key: ""}
        run = job.run
        if run is None or not run.done:
            return {tab.key: key, **_opened(tab, job, guess_columns(job.table.columns), t)}
        return {
            tab.key: key,
            **_opened(tab, job, run.columns, t),
            **_show(tab, run, slot.get(0).report, tie_band, t),
            tab.progress: batch_view.render_progress(t, run, "done" if run.is_finished else "stopped"),
            tab.run: gr.Button(value=t.batch.run if run.is_finished else t.batch.go_on, interactive=True),
        }

    outputs = [tab.key, tab.file_note, tab.setup, tab.preview, *tab.columns, tab.progress, tab.run, *tab.shown]
    demo.load(bring_back, tab.key, outputs, js="() => inform.keptBatch()", **ASIDE)


def _show(tab: BatchPanel, run: BatchRun, report: LoadReport, tie_band: float, t: Texts) -> dict[Any, Any]:
    """What the rows done so far say."""
    return {
        tab.result: gr.Column(visible=True),
        tab.summary: batch_view.render_summary(t, summarise(run.done, tie_band), report),
        tab.plot: gr.BarPlot(
            pd.DataFrame(batch_view.histogram_points(run.done)),
            x_title=t.batch.histogram,
            x_bin=batch_view.bin_width(run.done),
            y_title=t.batch.histogram_rows,
        ),
        tab.plot_table: batch_view.render_histogram_table(t, run.done),
        tab.table: gr.Dataframe(batch_view.table_rows(t, run.done, tie_band), headers=batch_view.table_headers(t)),
    }


def _columns(chosen: tuple[str | None, ...]) -> Columns | None:
    """What the dropdowns say; None while an answer has no column."""
    prompt, a, b, label = chosen
    return Columns(prompt or None, a, b, label or None) if a and b else None


def _goes_on(run: BatchRun | None, columns: Columns | None) -> bool:
    """Whether a click on Run goes on with what is there, instead of beginning anew."""
    return run is not None and not run.is_finished and run.columns == columns


def _run_label(job: Job | None, chosen: tuple[str | None, ...], t: Texts) -> str:
    run = job.run if job else None
    return t.batch.go_on if run and run.done and _goes_on(run, _columns(chosen)) else t.batch.run


def _step(slot: ScorerSlot, job: Job | None, chosen: tuple[str | None, ...] | None, t: Texts) -> str:
    """Go on with a run, or begin one; a fault becomes the words beside it, and the rows done stay.

    Args:
        chosen: the columns, where the visitor asked for this step: others than before begin a new run.
    """
    run = job.run if job else None
    try:
        if job is None:
            raise InputError(t.batch.gone)  # noqa: TRY301 - said in the same place as any other fault
        if chosen is not None and not _goes_on(run, columns := _columns(chosen)):
            run = BatchRun(job.table.rows, columns) if columns else None
            if run is None:
                raise InputError(t.batch.columns_missing)  # noqa: TRY301
        if run is None:
            return ""  # another file was opened meanwhile
        try:
            run.advance(slot.get(handlers.LOAD_WAIT_S), STEP_S, count_fault)
        finally:
            if run.done:
                job.run = run  # only now do the rows of another run go
    except Exception as error:
        return batch_view.render_progress(t, run, "failed", words_of(error, t))
    return batch_view.render_progress(t, run, "done" if run.is_finished else "running")


def _connect_run(tab: BatchPanel, jobs: Jobs, slot: ScorerSlot, tie_band: float) -> None:
    def begin(key: str, request: gr.Request, *columns: str | None) -> str:
        return _step(slot, jobs.get(key), columns, texts_of(request))

    def step(key: str, request: gr.Request) -> str:
        return _step(slot, jobs.get(key), None, texts_of(request))

    def stopped(key: str, html: str, request: gr.Request) -> str:
        job = jobs.get(key)
        if job is None or job.run is None or job.run.is_finished or 'data-state="running"' not in html:
            return html
        return batch_view.render_progress(texts_of(request), job.run, "stopped")

    def show(key: str, request: gr.Request, *columns: str | None) -> dict[Any, Any]:
        t, job = texts_of(request), jobs.get(key)
        told = {
            tab.run: gr.Button(value=_run_label(job, columns, t), interactive=True),
            tab.stop: gr.Button(interactive=False),
        }
        if job is None or job.run is None or not job.run.done:
            return {**told, tab.result: gr.Column(visible=False)}
        return {**told, **_show(tab, job.run, slot.get(0).report, tie_band, t)}

    silent = in_every_language(lambda t: view.paragraph(t.batch.no_answer, "message"))
    busy = in_every_language(view.render_busy)
    started = tab.run.click(
        None,
        None,
        [tab.run, tab.stop, tab.progress],
        js=f"() => [...inform.startBatch(), {busy}]",
    )
    inputs = [tab.key, *tab.columns]
    stepping: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private", **SCORING}
    for event in (
        started.then(begin, inputs, tab.progress, **stepping),
        tab.next.click(step, tab.key, tab.progress, **stepping),
    ):
        event.success(None, tab.progress, None, js="(html) => { inform.nextBatch(html); }")
        event.failure(None, None, tab.progress, js=f"() => {{ inform.endBatch(); return {silent}; }}")
    # Pressed by the script when a run ends, for whatever reason.
    end = gr.Button(visible="hidden", elem_id="batch-end")
    ended = end.click(stopped, [tab.key, tab.progress], tab.progress, **ASIDE)
    ended.then(show, inputs, [tab.run, tab.stop, *tab.shown], **ASIDE)
    tab.stop.click(None, None, [tab.stop], js="() => inform.stopBatch()")


def _connect_downloads(tab: BatchPanel, jobs: Jobs) -> None:
    for button, (write, file_name, media_type) in zip(tab.downloads, EXPORTS.values(), strict=True):

        def export(key: str, request: gr.Request, write: Any = write) -> tuple[str, Any]:
            job = jobs.get(key)
            if job and job.run:
                return write(job.run.done), gr.skip()
            return "", view.paragraph(texts_of(request).batch.gone, "message")

        # Handed to the browser as text, so that nothing is left on the server's disk.
        button.click(export, tab.key, [tab.payload, tab.progress], **ASIDE).then(
            None, tab.payload, None, js=f"(text) => {{ if (text) inform.save(text, {file_name!r}, {media_type!r}); }}"
        )


def _connect_api(slot: ScorerSlot, tie_band: float) -> None:
    def batch(pairs: list[dict[str, Any]]) -> dict[str, Any]:
        """Compare up to 200 pairs; a pair that cannot be scored keeps its reason and the rest go on.

        Args:
            pairs: objects with prompt (text, or a list of {"role", "content"} messages), response_a, response_b and
                optionally label, the better answer: "a", "b" or "tie".

        Returns:
            rows, in order, each with row (from 1), prompt, response_a, response_b, label, error ("" if none) and the
            numbers of /compare; and summary: n_scored, n_failed, n_a, n_b, n_tie, n_labelled, n_right, accuracy with
            its 95 % interval low and high, longer_preferred and length_correlation.
        """
        try:
            if not isinstance(pairs, list) or not all(isinstance(pair, dict) for pair in pairs):
                raise InputError('Expected a list of objects with "prompt", "response_a" and "response_b".')  # noqa: TRY301
            if not 0 < len(pairs) <= MOST_API_PAIRS:
                raise InputError(f"Expected 1 to {MOST_API_PAIRS} pairs a call; got {len(pairs)}.")  # noqa: TRY301
            run = BatchRun(tuple(pairs), Columns("prompt", "response_a", "response_b", "label"))
            run.advance(slot.get(handlers.LOAD_WAIT_S), float("inf"), count_fault, IS_ENDING.get())
            run.give_up(ScoringError(ENGLISH.page.stopping.format(seconds=RESTART_S)))
        except Exception as error:
            raise api_error(error, ENGLISH) from None
        return {"rows": [row_values(row) for row in run.done], "summary": vars(summarise(run.done, tie_band))}

    gr.events.api(batch, api_name="batch", **SCORING)


def build_batch_tab(demo: gr.Blocks, slot: ScorerSlot, config: ServeConfig) -> list[Static]:
    """Build the tab's parts where it is called, and connect them.

    Returns:
        The parts that are HTML of ours and change with the language only.
    """
    tab, statics = build_batch_panel()
    jobs = _build_jobs(config)
    _connect_file(tab, jobs)
    _connect_memory(demo, tab, jobs, slot, config.tie_band)
    _connect_run(tab, jobs, slot, config.tie_band)
    _connect_downloads(tab, jobs)
    _connect_api(slot, config.tie_band)
    return statics

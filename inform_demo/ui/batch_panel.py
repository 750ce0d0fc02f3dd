"""The parts of the Batch tab and where they stand; `batch_tab` says what they do.

Knows gradio's components; knows nothing of events, files or rewards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from inform_demo.ui import batch_view, view
from inform_demo.ui.batch_export import EXPORTS
from inform_demo.ui.events import I18N, Static, live_region
from inform_demo.ui.texts import ENGLISH


@dataclass(frozen=True)
class BatchPanel:
    """The components of the tab; setup and result are hidden until there is something in them.

    Attributes:
        key: of the job that the tab shows, in `batch_jobs.Jobs`; "" before there is one.
    """

    example: gr.Button
    file: gr.File
    file_note: gr.HTML
    setup: gr.Column
    preview: gr.Dataframe
    columns: tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Dropdown]
    run: gr.Button
    stop: gr.Button
    next: gr.Button
    progress: gr.HTML
    result: gr.Column
    summary: gr.HTML
    plot: gr.BarPlot
    plot_table: gr.HTML
    table: gr.Dataframe
    downloads: tuple[gr.Button, ...]
    payload: gr.Textbox
    key: gr.Textbox

    @property
    def shown(self) -> list[Any]:
        """What the rows done are shown in."""
        return [self.result, self.summary, self.plot, self.plot_table, self.table]


def _build_setup() -> tuple[Any, ...]:
    file = gr.File(
        label=I18N("batch_file_label"), file_types=[".csv", ".jsonl", ".parquet"], height=120, elem_id="batch-file"
    )
    note = gr.HTML(apply_default_css=False, elem_id="batch-note", js_on_load=live_region("batch_columns"))
    with gr.Column(visible=False, elem_id="batch-setup") as setup:
        preview = gr.Dataframe(label=I18N("batch_preview"), interactive=False, wrap=True, elem_id="batch-preview")
        columns_note = gr.HTML(view.paragraph(ENGLISH.batch.columns_note), apply_default_css=False)
        with gr.Row():
            columns = tuple(
                gr.Dropdown([], label=I18N(f"batch_column_{name}"), min_width=150)
                for name in ("prompt", "a", "b", "label")
            )
    return file, note, setup, preview, columns_note, columns


def build_batch_panel() -> tuple[BatchPanel, list[Static]]:
    """Build the parts where it is called, and name those that change with the language only."""
    intro = gr.HTML(batch_view.render_file_label(ENGLISH), apply_default_css=False)
    example = gr.Button(I18N("batch_example"), size="sm", scale=0, min_width=220)
    file, note, setup, preview, columns_note, columns = _build_setup()
    with gr.Row(elem_id="batch-actions"):
        run = gr.Button(
            I18N("batch_run"), variant="primary", interactive=False, scale=0, min_width=200, elem_id="batch-run"
        )
        stop = gr.Button(I18N("batch_stop"), interactive=False, scale=0, min_width=110, elem_id="batch-stop")
        following = gr.Button(visible="hidden", elem_id="batch-next")
    progress = gr.HTML(apply_default_css=False, elem_id="batch-progress")
    # Progress would be read out every second; the page's script puts here why a run failed.
    gr.HTML(apply_default_css=False, elem_id="batch-told", js_on_load=live_region("batch_progress_label"))
    with gr.Column(visible=False, elem_id="batch-result") as result:
        summary = gr.HTML(apply_default_css=False, elem_id="batch-summary", js_on_load=live_region("batch_summary"))
        plot = gr.BarPlot(x="margin", y="rows", y_aggregate="sum", show_label=False, height=220, elem_id="batch-plot")
        plot_table = gr.HTML(apply_default_css=False)
        table = gr.Dataframe(
            label=I18N("batch_table"), interactive=False, wrap=True, show_search="filter", max_height=480,
            datatype=["number", "str", "number", "number", "str", "str", "str", "str", "str"],
            column_widths=[70, 200, 110, 110, 90, 240, 240, 240, 200], elem_id="batch-table",
        )  # fmt: skip
        cut = gr.HTML(view.paragraph(ENGLISH.batch.table_cut), apply_default_css=False)
        with gr.Row(elem_id="batch-downloads"):
            download_label = gr.HTML(f"<span>{ENGLISH.batch.download}</span>", apply_default_css=False)
            downloads = tuple(gr.Button(name, size="sm", scale=0, min_width=130) for name in EXPORTS)
        payload = gr.Textbox(visible="hidden")
    key = gr.Textbox(visible="hidden")
    tab = BatchPanel(
        example, file, note, setup, preview, columns, run, stop, following, progress, result, summary, plot, plot_table,
        table, downloads, payload, key,
    )  # fmt: skip
    statics: list[Static] = [
        (intro, batch_view.render_file_label),
        (columns_note, lambda t: view.paragraph(t.batch.columns_note)),
        (cut, lambda t: view.paragraph(t.batch.table_cut)),
        (download_label, lambda t: f"<span>{t.batch.download}</span>"),
    ]
    return tab, statics

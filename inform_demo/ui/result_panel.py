"""What stands below a verdict: the trace, the difference, how it was computed, share and export.

Knows gradio's components and events; knows nothing of rewards or markup, which `result_view` and `export` make.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import pandas as pd

from inform_demo.errors import InputError
from inform_demo.preference import resolve_preferred
from inform_demo.slot import ScorerSlot
from inform_demo.ui import handlers, result_view, view
from inform_demo.ui.events import ASIDE, I18N, SCORING, Static, texts_of, words_of
from inform_demo.ui.export import EXPORTS
from inform_demo.ui.texts import ENGLISH

# The colours of A and B in page.css, in tones that can be read on white and on black: a plot cannot follow the theme.
COLOUR_A, COLOUR_B = "#2f7fd6", "#d9701a"


# What each format is saved as.
FILE_NAMES = {
    "JSON": "comparison.json",
    "CSV": "comparison.csv",
    "Markdown": "comparison.md",
    "LLM Comparator (JSON)": "llm-comparator.json",
    "curl": "compare.sh",
    "Python": "compare.py",
    "Command line": "compare-here.sh",
}


@dataclass(frozen=True)
class ResultPanel:
    """The components of the result, hidden until there is one."""

    column: gr.Column
    plot: gr.LinePlot
    trace: gr.HTML
    difference: gr.HTML
    timing: gr.HTML
    provenance: gr.HTML
    check_order: gr.Button
    order: gr.HTML
    share: gr.Button
    link: gr.Textbox
    export_format: gr.Dropdown
    copy: gr.Button
    download: gr.Button
    export: gr.Code
    address: gr.Textbox
    words: gr.HTML
    tie_band: gr.Slider
    statics: tuple[Static, ...]

    @property
    def shown(self) -> list[Any]:
        """What `show_result` writes."""
        return [
            self.column, self.plot, self.trace, self.difference, self.provenance, self.order,
            self.link, self.export,
        ]  # fmt: skip


def build_result_panel(tie_band: float) -> ResultPanel:
    """Build the parts where it is called."""
    with gr.Column(visible=False, elem_id="result") as column:
        with gr.Tabs(overflow_behavior="wrap"):
            with gr.Tab(I18N("compare_result_trace")):
                plot = gr.LinePlot(
                    x="token", y="value", color="answer", show_label=False, height=260, elem_id="trace-plot"
                )
                trace = gr.HTML(elem_id="trace", apply_default_css=False)
            with gr.Tab(I18N("compare_result_difference")):
                difference = gr.HTML(elem_id="difference", apply_default_css=False)
            with gr.Tab(I18N("compare_result_computed")):
                provenance = gr.HTML(elem_id="provenance", apply_default_css=False)
                timing = gr.HTML(elem_id="timing", apply_default_css=False)
                order_note = gr.HTML(view.paragraph(ENGLISH.compare.check_order_note), apply_default_css=False)
                check_order = gr.Button(I18N("compare_check_order"), size="sm", scale=0, min_width=160)
                order = gr.HTML(elem_id="order", apply_default_css=False)
            with gr.Tab(I18N("compare_result_export")):
                share = gr.Button(I18N("compare_share_make"), size="sm", scale=0, min_width=160)
                link = gr.Textbox(
                    label=I18N("compare_share_label"),
                    info=I18N("compare_share_note"),
                    interactive=False,
                    buttons=["copy"],
                    max_lines=1,
                    visible=False,
                    elem_id="link",
                )
                export_format = gr.Dropdown(list(EXPORTS), value="JSON", label=I18N("compare_export_format"))
                with gr.Row():
                    copy = gr.Button(I18N("compare_export_copy"), size="sm", scale=0, min_width=160, elem_id="copy")
                    download = gr.Button(I18N("compare_export_download"), size="sm", scale=0, min_width=160)
                export = gr.Code(
                    show_label=False, language=None, max_lines=16, wrap_lines=True, buttons=[], elem_id="export"
                )
        address = gr.Textbox(visible="hidden")
        with gr.Accordion(I18N("compare_words_summary"), open=False):
            words = gr.HTML(view.render_words(ENGLISH, tie_band), elem_id="words", apply_default_css=False)
            slider = gr.Slider(0, 49, value=100 * tie_band, step=1, label=I18N("compare_tie_band"))
    statics: tuple[Static, ...] = (
        (order_note, lambda t: view.paragraph(t.compare.check_order_note)),
        (words, lambda t: view.render_words(t, tie_band)),
    )
    return ResultPanel(
        column, plot, trace, difference, timing, provenance, check_order, order, share, link, export_format,
        copy, download, export, address, words, slider, statics,
    )  # fmt: skip


def _export(outcome: handlers.Outcome, export_format: str, address: str, percent: float) -> str:
    """The text of an export, which calls a tie what the page calls one."""
    preferred = resolve_preferred(outcome.comparison.margin, percent / 100)
    told = replace(outcome, comparison=replace(outcome.comparison, preferred=preferred))
    return EXPORTS[export_format](told, address)


def show_result(
    panel: ResultPanel,
    outcome: handlers.Outcome | None,
    export_format: str,
    address: str,
    percent: float,
    request: gr.Request,
) -> dict[Any, Any]:
    """The parts below a verdict; hidden where there is none.

    Args:
        address: the page's own, as the visitor's browser knows it, for the snippets.
        percent: the page's tie band.
    """
    if outcome is None:
        return {panel.column: gr.Column(visible=False)}
    t = texts_of(request)
    return {
        panel.column: gr.Column(visible=True),
        panel.plot: gr.LinePlot(
            pd.DataFrame(result_view.trace_points(t, outcome)),
            x_title=t.compare.trace_piece,
            y_title=t.compare.trace_reward,
            color_title=" ",
            color_map={t.page.answer_a: COLOUR_A, t.page.answer_b: COLOUR_B},
        ),
        panel.trace: result_view.render_trace(t, outcome),
        panel.difference: result_view.render_difference(t, outcome),
        panel.provenance: result_view.render_provenance(t, outcome),
        panel.order: "",
        panel.link: gr.Textbox("", visible=False),
        panel.export: _export(outcome, export_format, address, percent),
    }


def connect_result(
    panel: ResultPanel, slot: ScorerSlot, outcome: gr.State, fields: list[Any], verdict: gr.HTML
) -> None:
    """Everything a visitor can do with a result.

    Args:
        outcome: the state with the last `handlers.Outcome`, None where there is none.
        fields: whose texts a link carries.
    """

    # The state of a page is lost where hundreds came after it.
    def export(result: handlers.Outcome | None, name: str, address: str, percent: float, request: gr.Request) -> str:
        return texts_of(request).compare.gone if result is None else _export(result, name, address, percent)

    def check(result: handlers.Outcome | None, request: gr.Request) -> str:
        t = texts_of(request)
        try:
            if result is None:
                raise InputError(t.compare.gone)  # noqa: TRY301 - said in the same place as any other fault
            return result_view.render_order_check(t, handlers.check_order(slot, result))
        except Exception as error:
            return view.paragraph(words_of(error, t), "message")

    def retell(
        result: handlers.Outcome | None, shown: str, name: str, address: str, percent: float, request: gr.Request
    ) -> dict[Any, Any]:
        t, tie_band = texts_of(request), percent / 100
        words = {panel.words: view.render_words(t, tie_band)}
        # What the browser took away by itself is still in the state.
        if result is None or not view.is_verdict(shown):
            return words
        told = view.render_verdict(t, result, tie_band)
        return {**words, verdict: told, panel.export: _export(result, name, address, percent)}

    exported = [panel.export_format, panel.address, panel.tie_band]
    panel.export_format.change(export, [outcome, *exported], panel.export, **ASIDE)
    panel.copy.click(None, panel.export, None, js="(text) => inform.copy(text, 'copy')")
    save = f"(text, name) => inform.save(text, {json.dumps(FILE_NAMES)}[name], 'text/plain')"
    panel.download.click(None, [panel.export, panel.export_format], None, js=save)
    panel.check_order.click(check, outcome, panel.order, api_visibility="private", show_progress="minimal", **SCORING)
    panel.tie_band.change(
        retell, [outcome, verdict, *exported], [verdict, panel.words, panel.export], trigger_mode="always_last", **ASIDE
    ).then(None, verdict, None, js="(html) => { inform.retold(html); }")
    panel.share.click(None, fields, panel.link, js="async (...texts) => await inform.share(texts)")

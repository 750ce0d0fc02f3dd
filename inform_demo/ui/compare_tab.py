"""The Compare tab: where its parts stand and what its events call.

Knows gradio's components and events; knows nothing of rewards or markup, which `handlers` and `view` make.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui import handlers, view
from inform_demo.ui.events import (
    I18N,
    SCORING,
    Static,
    api_error,
    in_every_language,
    live_region,
    texts_of,
    toast,
    words_of,
)
from inform_demo.ui.examples import EXAMPLES
from inform_demo.ui.texts import ENGLISH, Texts


@dataclass(frozen=True)
class _Tab:
    """The components that events read and write."""

    fields: tuple[gr.Textbox, ...]
    compare: gr.Button
    swap: gr.Button
    clear: gr.Button
    examples: tuple[gr.Button, ...]
    verdict: gr.HTML
    details: gr.HTML


def _build_fields() -> tuple[gr.Textbox, ...]:
    prompt = gr.Textbox(
        label=I18N("page_prompt"), placeholder=I18N("page_prompt_placeholder"), lines=3, max_lines=12, elem_id="prompt"
    )
    with gr.Row(elem_id="answers"):
        response_a, response_b = (
            gr.Textbox(
                label=I18N(f"page_answer_{letter}"),
                placeholder=I18N("compare_answer_placeholder"),
                lines=6,
                max_lines=16,
                elem_id=f"answer-{letter}",
                min_width=300,
            )
            for letter in "ab"
        )
    with gr.Accordion(I18N("compare_system_fold"), open=False):
        system = gr.Textbox(
            label=I18N("page_system"),
            show_label=False,
            placeholder=I18N("compare_system_placeholder"),
            lines=2,
            max_lines=8,
        )
    return prompt, response_a, response_b, system


def _build_tab() -> tuple[_Tab, list[Static]]:
    fields = _build_fields()
    with gr.Row(elem_id="actions"):
        compare = gr.Button(I18N("compare_compare_hint"), variant="primary", elem_id="compare", scale=0, min_width=240)
        swap = gr.Button(I18N("compare_swap"), elem_id="swap", scale=0, min_width=170)
        clear = gr.Button(I18N("page_clear"), elem_id="clear", scale=0, min_width=90)
    with gr.Row(elem_id="examples"):
        label = gr.HTML(view.render_examples_label(ENGLISH), elem_id="examples-label", apply_default_css=False)
        examples = tuple(gr.Button(example.label, size="sm", scale=0, min_width=80) for example in EXAMPLES)
    verdict = gr.HTML(
        view.render_empty(ENGLISH),
        elem_id="verdict",
        apply_default_css=False,
        js_on_load=live_region("compare_verdict_label"),
    )
    details = gr.HTML("", elem_id="details", apply_default_css=False)
    tab = _Tab(fields, compare, swap, clear, examples, verdict, details)
    return tab, [(label, view.render_examples_label), (verdict, view.render_empty)]


def _connect_compare(tab: _Tab, slot: ScorerSlot, tie_band: float) -> None:
    """Button, shortcut (which presses the button) and what is shown before, meanwhile and afterwards."""

    def show_verdict(
        prompt: str, response_a: str, response_b: str, system: str, request: gr.Request
    ) -> Iterator[tuple[str, str]]:
        t = texts_of(request)
        try:
            outcome = handlers.compare(slot, handlers.Inputs(prompt, response_a, response_b, system), t)
        except Exception as error:
            message = words_of(error, t)
            yield view.render_error(t, message), ""
            raise toast(message, t.compare.not_compared) from None
        yield view.render_verdict(t, outcome, tie_band), view.render_details(t, outcome, tie_band)

    def button(label: str, interactive: bool) -> dict[str, Any]:
        return {"__type__": "update", "value": label, "interactive": interactive}

    def busy(t: Texts) -> list[Any]:
        return [button(t.compare.comparing, interactive=False), view.render_busy(t), ""]

    def no_answer(t: Texts) -> str:
        return view.render_error(t, f"{t.page.no_answer} {t.page.text_kept}")

    # Where no answer came back at all (queue full, server gone) the handler could not say so: the script does.
    finish = f"""(verdict) => {{
        inform.showVerdict();
        const ready = {in_every_language(lambda t: button(t.compare.compare_hint, interactive=True))};
        return [ready, verdict.includes("data-busy") ? {in_every_language(no_answer)} : {{"__type__": "update"}}];
    }}"""
    scored = tab.compare.click(
        None,
        None,
        [tab.compare, tab.verdict, tab.details],
        js=f"() => {{ inform.startCompare(); return {in_every_language(busy)}; }}",
    ).then(
        show_verdict,
        list(tab.fields),
        [tab.verdict, tab.details],
        show_progress="minimal",
        show_progress_on=tab.verdict,
        api_visibility="private",
        **SCORING,
    )
    # In Gradio 6.31 `then` does not follow a failure, whatever its documentation says.
    for after in (scored.then, scored.failure):
        after(None, tab.verdict, [tab.compare, tab.verdict], js=finish)


def _connect_fields(demo: gr.Blocks, tab: _Tab) -> None:
    """Swap, clear, examples and the memory over a reload: all in the visitor's browser, none of it asks the server."""
    fields = list(tab.fields)
    outputs = [*fields, tab.verdict, tab.details]
    empty = in_every_language(lambda t: [view.render_empty(t), ""])
    tab.swap.click(None, fields, outputs, js=f"(p, a, b, s) => [p, b, a, s, ...{empty}]")
    tab.clear.click(None, None, outputs, js=f'() => ["", "", "", "", ...{empty}]')
    for button, example in zip(tab.examples, EXAMPLES, strict=True):
        texts = json.dumps([example.prompt, example.response_a, example.response_b, ""])
        button.click(None, None, outputs, js=f"() => [...{texts}, ...{empty}]")
    gr.on([field.change for field in fields], None, fields, None, js="(...texts) => { inform.remember(...texts); }")
    demo.load(None, fields, fields, js="(...texts) => inform.recall(...texts)")


def _connect_api(slot: ScorerSlot) -> None:
    def compare(prompt: str, response_a: str, response_b: str, system: str = "") -> dict[str, Any]:
        """Say which of two answers to a prompt the reward model prefers, and by how much.

        Args:
            prompt: what was asked.
            response_a: one answer.
            response_b: the other answer.
            system: an optional system prompt.

        Returns:
            reward_a, reward_b, margin (reward_a - reward_b), preference_probability (the model's belief that A is
            better), preferred ("a", "b" or "tie"), n_tokens_a, n_tokens_b, n_tokens_shared, elapsed_s, model and
            precision.
        """
        inputs = handlers.Inputs(prompt, response_a, response_b, system)
        try:
            return handlers.compare(slot, inputs).comparison.to_dict()
        except Exception as error:
            raise api_error(error, ENGLISH) from None

    gr.events.api(compare, api_name="compare", **SCORING)


def build_compare_tab(demo: gr.Blocks, slot: ScorerSlot, config: ServeConfig) -> list[Static]:
    """Build the tab's parts where it is called, and connect them.

    Returns:
        The parts that are HTML of ours and change with the language only.
    """
    tab, statics = _build_tab()
    _connect_compare(tab, slot, config.tie_band)
    _connect_fields(demo, tab)
    _connect_api(slot)
    return statics

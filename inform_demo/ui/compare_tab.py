"""The Compare tab: fields, the button, the verdict, and its API.

The main path of the page: a click starts here, goes through `handlers.compare` to the scorer, and comes back as the
verdict. Knows gradio's components and events; knows nothing of rewards or markup, which `handlers` and `view` make.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.types import parse_messages
from inform_demo.ui import handlers, view
from inform_demo.ui.events import (
    ASIDE,
    I18N,
    SCORING,
    Static,
    api_error,
    in_every_language,
    live_region,
    texts_of,
    words_of,
)
from inform_demo.ui.inputs_panel import (
    InputsPanel,
    build_examples,
    build_inputs_panel,
    connect_counts,
    connect_fills,
    connect_memory,
    connect_turns,
    inputs_of,
)
from inform_demo.ui.result_panel import ResultPanel, build_result_panel, connect_result, show_result
from inform_demo.ui.texts import ENGLISH, Texts


def _connect_compare(
    inputs: InputsPanel,
    button: gr.Button,
    verdict: gr.HTML,
    details: gr.HTML,
    outcome: gr.State,
    result: ResultPanel,
    slot: ScorerSlot,
) -> None:
    """Button, shortcut (which presses the button) and what is shown before, meanwhile and afterwards."""

    def show_verdict(request: gr.Request, percent: float, *texts: str) -> tuple[Any, ...]:
        t = texts_of(request)
        try:
            compared = handlers.compare(slot, inputs_of(texts, t), t)
        except Exception as error:
            # Shown and not raised: Gradio would mark every output as failed, and a generator, which could do both,
            # sends its last step twice, so that a cleared verdict would come back.
            return view.render_error(t, words_of(error, t)), "", None
        return view.render_verdict(t, compared, percent / 100), view.render_details(t, compared), compared

    def update(label: str, interactive: bool) -> dict[str, Any]:
        return {"__type__": "update", "value": label, "interactive": interactive}

    def busy(t: Texts) -> list[Any]:
        return [update(t.compare.comparing, interactive=False), view.render_busy(t), ""]

    def no_answer(t: Texts) -> str:
        return view.render_error(t, f"{t.page.no_answer} {t.page.text_kept}")

    # Where no answer came back at all (queue full, server gone) the handler could not say so: the script does.
    finish = f"""(verdict) => {{
        const ready = {in_every_language(lambda t: update(t.compare.compare_hint, interactive=True))};
        const silent = verdict.includes("data-busy");
        const told = silent ? {in_every_language(no_answer)} : {{"__type__": "update"}};
        return [ready, told, inform.finishCompare(verdict)];
    }}"""
    fields = list(inputs.fields)
    scored = button.click(
        None,
        None,
        [button, verdict, details],
        js=f"() => {{ inform.startCompare(); return {in_every_language(busy)}; }}",
    ).then(
        show_verdict,
        [result.tie_band, *fields],
        [verdict, details, outcome],
        js="(percent, ...texts) => { inform.noteAsked(texts); return [percent, ...texts]; }",
        show_progress="minimal",
        show_progress_on=verdict,
        api_visibility="private",
        **SCORING,
    )

    def show(
        compared: handlers.Outcome | None, shown: str, name: str, address: str, percent: float, request: gr.Request
    ) -> dict[Any, Any]:
        # After a failure the state still holds the comparison before.
        compared = compared if view.is_verdict(shown) else None
        return show_result(result, compared, name, address, percent, request)

    # In Gradio 6.31 `then` does not follow a failure, whatever its documentation says.
    for after in (scored.then, scored.failure):
        after(None, verdict, [button, verdict, result.timing], js=finish)
        after(
            show,
            [outcome, verdict, result.export_format, result.address, result.tie_band],
            result.shown,
            # Whatever once had a progress is visited with all its children at every later event: keep that small.
            show_progress_on=result.timing,
            **ASIDE,
        ).then(None, None, None, js="() => { inform.showResult(); }")


def _connect_api(slot: ScorerSlot) -> None:
    def compare(
        prompt: str,
        response_a: str,
        response_b: str,
        system: str = "",
        earlier_turns: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Say which of two answers to a prompt the reward model prefers, and by how much.

        Args:
            prompt: what was asked.
            response_a: one answer.
            response_b: the other answer.
            system: an optional system prompt.
            earlier_turns: messages before the prompt, each {"role": "user" or "assistant", "content": text}.

        Returns:
            reward_a, reward_b, margin (reward_a - reward_b), preference_probability (the model's belief that A is
            better), preferred ("a", "b" or "tie"), n_tokens_a, n_tokens_b, n_tokens_shared, elapsed_s, model and
            precision.
        """
        return _answer(slot, prompt, response_a, response_b, system, earlier_turns).comparison.to_dict()

    def trace(
        prompt: str,
        response_a: str,
        response_b: str,
        system: str = "",
        earlier_turns: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Compare two answers and read the score head at every token of both. Exploratory: only the end was trained.

        Args:
            prompt: what was asked.
            response_a: one answer.
            response_b: the other answer.
            system: an optional system prompt.
            earlier_turns: messages before the prompt, each {"role": "user" or "assistant", "content": text}.

        Returns:
            comparison (the object of /compare), trace_a and trace_b, each with pieces (the answer's text by token, the
            last one empty) and values (the head's output after each; the last one is the reward).
        """
        outcome = _answer(slot, prompt, response_a, response_b, system, earlier_turns)
        return {
            "comparison": outcome.comparison.to_dict(),
            "trace_a": outcome.trace_a.to_dict(),
            "trace_b": outcome.trace_b.to_dict(),
        }

    gr.events.api(compare, api_name="compare", **SCORING)
    gr.events.api(trace, api_name="trace", **SCORING)


def _answer(
    slot: ScorerSlot, prompt: str, response_a: str, response_b: str, system: str, earlier_turns: object
) -> handlers.Outcome:
    try:
        turns = parse_messages(earlier_turns) if earlier_turns else ()
        return handlers.compare(slot, handlers.Inputs(prompt, response_a, response_b, system, turns))
    except Exception as error:
        raise api_error(error, ENGLISH) from None


def build_compare_tab(demo: gr.Blocks, slot: ScorerSlot, config: ServeConfig) -> list[Static]:
    """Build the tab's parts where it is called, and connect them.

    Returns:
        The parts that are HTML of ours and change with the language only.
    """
    inputs = build_inputs_panel()
    with gr.Row(elem_id="actions"):
        button = gr.Button(I18N("compare_compare_hint"), variant="primary", elem_id="compare", scale=0, min_width=240)
        swap = gr.Button(I18N("compare_swap"), elem_id="swap", scale=0, min_width=170)
        clear = gr.Button(I18N("page_clear"), elem_id="clear", scale=0, min_width=90)
    examples, label = build_examples()
    verdict = gr.HTML(
        view.render_empty(ENGLISH),
        elem_id="verdict",
        apply_default_css=False,
        js_on_load=live_region("compare_verdict_label"),
    )
    details = gr.HTML("", elem_id="details", apply_default_css=False)
    outcome = gr.State(None)
    result = build_result_panel(config.tie_band)
    _connect_compare(inputs, button, verdict, details, outcome, result, slot)
    connect_counts(inputs, slot)
    connect_turns(inputs)
    connect_fills(inputs, swap, clear, examples, [verdict, details, result.column])
    connect_memory(demo, inputs, [verdict, details, result.column])
    demo.load(None, None, result.address, js="() => location.origin + location.pathname")
    connect_result(result, slot, outcome, list(inputs.fields), verdict)
    _connect_api(slot)
    return [(label, view.render_examples_label), *result.statics]

"""The fields of the Compare tab, and what fills them without asking the model.

Fields, earlier turns, token counts, swap, clear, examples, a pasted conversation, the memory over a reload, the link to
share and the history. Most of it runs in the visitor's browser (`page.js`) and asks no server. Knows gradio; nothing
of rewards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inform_demo.errors import InputError
from inform_demo.slot import ScorerSlot
from inform_demo.types import Message
from inform_demo.ui import handlers, view
from inform_demo.ui.events import ASIDE, I18N, live_region, texts_of, words_of
from inform_demo.ui.examples import EXAMPLES
from inform_demo.ui.handlers import MAX_EXCHANGES
from inform_demo.ui.texts import ENGLISH, Texts

_POLL_S = 2.0


@dataclass(frozen=True)
class InputsPanel:
    """The components of the fields.

    Attributes:
        fields: prompt, answer A, answer B, system prompt, then question and answer of each earlier exchange.
        counts: the token counts of answer A and B.
    """

    fields: tuple[gr.Textbox, ...]
    counts: tuple[gr.HTML, gr.HTML]
    pasted: gr.Textbox
    use_pasted: gr.Button
    paste_note: gr.HTML
    add_turn: gr.Button
    remove_turns: tuple[gr.Button, ...]


def inputs_of(texts: Sequence[str | None], t: Texts) -> handlers.Inputs:
    """The values of the fields as inputs.

    Raises:
        InputError: an earlier exchange has only one side.
    """
    prompt, response_a, response_b, system, *turns = ("" if text is None else text for text in texts)
    return handlers.Inputs(prompt, response_a, response_b, system, handlers.read_turns(turns, t))


def _build_answer(letter: str) -> tuple[gr.Textbox, gr.HTML]:
    with gr.Column(min_width=280):
        answer = gr.Textbox(
            label=I18N(f"page_answer_{letter}"),
            placeholder=I18N("compare_answer_placeholder"),
            lines=6,
            max_lines=16,
            elem_id=f"answer-{letter}",
        )
        count = gr.HTML(view.render_count(ENGLISH, None, 0), apply_default_css=False, elem_id=f"count-{letter}")
    return answer, count


def _build_exchange(i: int) -> tuple[gr.Textbox, gr.Textbox, gr.Button]:
    """Fields of one earlier exchange; `page.js` shows as many as are in use."""
    with gr.Column(elem_classes=["exchange", f"exchange-{i}"]):
        question, answer = (
            gr.Textbox(label=I18N(f"compare_turn_{role}_{i}"), lines=2, max_lines=8) for role in ("user", "assistant")
        )
        remove = gr.Button(I18N(f"compare_turn_remove_{i}"), size="sm", scale=0, min_width=160)
    return question, answer, remove


def build_inputs_panel() -> InputsPanel:
    """Build the fields where it is called."""
    prompt = gr.Textbox(
        label=I18N("page_prompt"), placeholder=I18N("page_prompt_placeholder"), lines=3, max_lines=12, elem_id="prompt"
    )
    with gr.Row(elem_id="answers"):
        (response_a, count_a), (response_b, count_b) = _build_answer("a"), _build_answer("b")
    with gr.Accordion(I18N("compare_context_fold"), open=False, elem_id="context"):
        system = gr.Textbox(
            label=I18N("page_system"), placeholder=I18N("compare_system_placeholder"), lines=2, max_lines=8
        )
        exchanges = [_build_exchange(i) for i in range(1, MAX_EXCHANGES + 1)]
        add_turn = gr.Button(I18N("compare_turn_add"), size="sm", elem_id="add-turn")
        with gr.Accordion(I18N("compare_paste_label"), open=False):
            pasted = gr.Textbox(
                label=I18N("compare_paste_label"), show_label=False, info=I18N("compare_paste_info"), lines=3
            )
            use_pasted = gr.Button(I18N("compare_paste_use"), size="sm")
            paste_note = gr.HTML(
                apply_default_css=False, elem_id="paste-note", js_on_load=live_region("compare_paste_label")
            )
    turns = [field for question, answer, _ in exchanges for field in (question, answer)]
    return InputsPanel(
        (prompt, response_a, response_b, system, *turns),
        (count_a, count_b),
        pasted,
        use_pasted,
        paste_note,
        add_turn,
        tuple(remove for _, _, remove in exchanges),
    )


def build_examples() -> tuple[tuple[gr.Button, ...], gr.HTML]:
    """A button an example, and the word that stands before them."""
    with gr.Row(elem_id="examples"):
        label = gr.HTML(view.render_examples_label(ENGLISH), elem_id="examples-label", apply_default_css=False)
        buttons = tuple(gr.Button(I18N(f"example_{i}"), size="sm", scale=0, min_width=80) for i in range(len(EXAMPLES)))
    return buttons, label


def connect_counts(panel: InputsPanel, slot: ScorerSlot) -> None:
    """Count tokens while a visitor writes; the newest text is counted when the one before is done."""
    poll = gr.Timer(_POLL_S, active=False)

    def count(request: gr.Request, *texts: str) -> tuple[str, str, gr.Timer]:
        t = texts_of(request)
        try:
            n_a, n_b, limit = handlers.count_tokens(slot, inputs_of(texts, t))
        except InputError:
            n_a, n_b, limit = None, None, 0  # what is wrong with the texts is said when they are compared
        # What was written while the model loads is counted as soon as there is a tokenizer.
        is_loading = slot.status().state == "loading"
        return view.render_count(t, n_a, limit), view.render_count(t, n_b, limit), gr.Timer(active=is_loading)

    gr.on(
        [*(field.change for field in panel.fields), poll.tick],
        count,
        list(panel.fields),
        [*panel.counts, poll],
        trigger_mode="always_last",
        **ASIDE,
    )


def connect_turns(panel: InputsPanel) -> None:
    """Add and remove earlier exchanges in the browser; take over a pasted conversation."""
    fields, turns = list(panel.fields), list(panel.fields[4:])
    panel.add_turn.click(None, None, None, js="() => { inform.addTurn(); }")
    for i, remove in enumerate(panel.remove_turns):
        remove.click(None, turns, turns, js=f"(...texts) => inform.removeTurn({i}, texts)")

    def use(pasted: str, response_b: str, request: gr.Request) -> list[Any]:
        t = texts_of(request)
        try:
            prompt, response_a, system, earlier = handlers.parse_conversation(pasted, t)
        except Exception as error:
            # Said beside the box and not raised, which would mark every field as failed.
            return [*[gr.skip()] * len(fields), view.paragraph(words_of(error, t), "message")]
        return [prompt, response_a, response_b, system, *earlier, ""]

    panel.use_pasted.click(use, [panel.pasted, panel.fields[2]], [*fields, panel.paste_note], **ASIDE).then(
        None, turns, None, js="(...texts) => { inform.showTurns(texts); }"
    )


def _example_texts(response_a: str, response_b: str, prompt: str, turns: tuple[Message, ...]) -> list[str]:
    earlier = [message.content for message in turns]
    return [prompt, response_a, response_b, "", *earlier, *[""] * (2 * MAX_EXCHANGES - len(earlier))]


def connect_fills(
    panel: InputsPanel, swap: gr.Button, clear: gr.Button, examples: tuple[gr.Button, ...], results: list[Any]
) -> None:
    """Swap, clear and examples: they fill the fields and take the verdict back.

    Args:
        results: verdict, details and the column below them, which `inform.emptyResults` blanks.
    """
    fields = list(panel.fields)
    outputs = [*fields, *results]
    empty = "inform.emptyResults()"
    swap.click(None, fields, outputs, js=f"(p, a, b, ...rest) => [p, b, a, ...rest, ...{empty}]")
    clear.click(None, None, outputs, js=f'() => [...inform.fill(Array({len(fields)}).fill("")), ...{empty}]')
    for button, example in zip(examples, EXAMPLES, strict=True):
        texts = _example_texts(example.response_a, example.response_b, example.prompt, example.earlier_turns)
        button.click(None, None, outputs, js=f"() => [...inform.fill({json.dumps(texts)}), ...{empty}]")


def connect_memory(demo: gr.Blocks, panel: InputsPanel, results: list[Any]) -> None:
    """The memory over a reload, a comparison that a link brings, and one that is opened from the history."""
    fields = list(panel.fields)
    gr.on([field.change for field in fields], None, fields, None, js="(...texts) => { inform.remember(texts); }")
    demo.load(None, fields, [*fields, results[0]], js="async (...texts) => await inform.recall(texts)")
    reopen = gr.Button(visible="hidden", elem_id="reopen")
    empty = "inform.emptyResults()"
    reopen.click(None, None, [*fields, *results], js=f"() => [...inform.reopened(), ...{empty}]")
    gr.HTML("", elem_id="history", apply_default_css=False, js_on_load="inform.mountHistory(element);")

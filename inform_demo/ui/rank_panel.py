"""The fields of the Rank tab, and what fills them without asking the model.

Adding, removing and bringing back answers happen in the visitor's browser (`rank.js`), which also reads files: none is
uploaded. Knows gradio; nothing of rewards.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from inform_demo.ranking import FEWEST_ANSWERS, MOST_ANSWERS
from inform_demo.ui import rank_inputs, rank_view
from inform_demo.ui.events import ASIDE, I18N, Static, in_every_language, live_region, texts_of, words_of
from inform_demo.ui.texts import ENGLISH, Texts

_SCRIPT = (Path(__file__).parent / "rank.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class RankInputs:
    """The components of the fields.

    Attributes:
        count: how many answers are in use.
        fields: the count, prompt, system prompt and every answer: the list that `rank.js` works on.
        note: what happened to the answers, read out.
    """

    count: gr.Number
    answers: tuple[gr.Textbox, ...]
    removes: tuple[gr.Button, ...]
    fields: tuple[gr.Number | gr.Textbox, ...]
    add: gr.Button
    note: gr.HTML


def html_part(value: str, elem_id: str | None = None, label_key: str = "") -> gr.HTML:
    """HTML of ours; with a label it is a live region."""
    js = live_region(label_key) if label_key else None
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=js)


def _build_answer(i: int) -> tuple[gr.Textbox, gr.Button]:
    # The labels are put into the visitor's language when the page loads: a key of `I18N` cannot hold a number.
    with gr.Column(elem_classes=["rank-answer", f"rank-answer-{i}"], min_width=0):
        answer = gr.Textbox(
            label=ENGLISH.rank.answer.format(i=i),
            placeholder=I18N("compare_answer_placeholder"),
            lines=3,
            max_lines=12,
        )
        remove = gr.Button(
            ENGLISH.rank.remove.format(i=i), size="sm", scale=0, min_width=140, elem_classes="rank-remove"
        )
    return answer, remove


def build_rank_inputs() -> tuple[RankInputs, list[Static]]:
    """Build the fields where it is called."""
    intro = html_part(rank_view.render_intro(ENGLISH))
    prompt = gr.Textbox(
        label=I18N("page_prompt"),
        placeholder=I18N("page_prompt_placeholder"),
        lines=3,
        max_lines=12,
        elem_id="rank-prompt",
    )
    with gr.Accordion(I18N("rank_context_fold"), open=False):
        system = gr.Textbox(
            label=I18N("page_system"), placeholder=I18N("compare_system_placeholder"), lines=2, max_lines=8
        )
    count = gr.Number(FEWEST_ANSWERS, precision=0, visible="hidden", elem_id="rank-count")
    with gr.Column(elem_id="rank-answers"):
        built = [_build_answer(i) for i in range(1, MOST_ANSWERS + 1)]
    answers, removes = tuple(answer for answer, _ in built), tuple(remove for _, remove in built)
    add = gr.Button(I18N("rank_add"), size="sm", scale=0, min_width=160, elem_id="rank-add")
    full = html_part(rank_view.render_full(ENGLISH), "rank-full-note")
    note = html_part("", "rank-note", "rank_note_label")
    inputs = RankInputs(count, answers, removes, (count, prompt, system, *answers), add, note)
    return inputs, [(intro, rank_view.render_intro), (full, rank_view.render_full)]


def _taken_over(inputs: RankInputs, given: rank_inputs.GivenAnswers, name: str, t: Texts) -> dict[Any, Any]:
    """The fields with what a pasted text or a file gives."""
    _, prompt, system, *answers = inputs.fields
    count = len(given.responses)
    words = t.rank.taken_from.format(count=count, name=name) if name else t.rank.taken_over.format(count=count)
    texts = (*given.responses, *[""] * (MOST_ANSWERS - count))
    changed = {inputs.count: count, **dict(zip(answers, texts, strict=True))}
    if given.prompt is not None:
        changed |= {prompt: given.prompt, system: given.system}
    return {inputs.note: rank_view.render_note(words), **changed}


def build_bulk(inputs: RankInputs) -> list[Static]:
    """Build and connect the field to paste several answers into, and the one for a file."""
    fields = list(inputs.fields)
    with gr.Accordion(I18N("rank_bulk_fold"), open=False):
        bulk_note = html_part(rank_view.render_bulk_note(ENGLISH))
        pasted = gr.Textbox(label=I18N("rank_paste_label"), info=I18N("rank_paste_info"), lines=4, max_lines=16)
        use = gr.Button(I18N("rank_paste_use"), size="sm", scale=0, min_width=160)
        file_field = html_part(rank_view.render_file_field(ENGLISH), "rank-file-field")
        name, text = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        n_bytes = gr.Number(visible="hidden")
        open_file = gr.Button(visible="hidden", elem_id="rank-open")

    def take(parse: Callable[[Texts], rank_inputs.GivenAnswers], name: str, request: gr.Request) -> dict[Any, Any]:
        t = texts_of(request)
        try:
            return _taken_over(inputs, parse(t), name, t)
        except Exception as error:
            return {inputs.note: rank_view.render_refusal(t, words_of(error, t))}

    def take_pasted(pasted: str, request: gr.Request) -> dict[Any, Any]:
        return take(lambda t: rank_inputs.parse_pasted(pasted, t), "", request)

    def take_file(name: str | None, n_bytes: float | None, text: str | None, request: gr.Request) -> dict[Any, Any]:
        shown = rank_inputs.clean(name or "")[: rank_inputs.MOST_NAME_CHARACTERS]
        return take(lambda t: rank_inputs.parse_file(name, n_bytes, text, t), shown, request)

    def no_answer(t: Texts) -> str:
        return rank_view.render_refusal(t, t.page.no_answer)

    for trigger, handler, given, js in (
        (use, take_pasted, [pasted], None),
        (open_file, take_file, [name, n_bytes, text], "() => informRank.takeFile()"),
    ):
        taken = trigger.click(None, fields, None, js="(...values) => { informRank.snapshot(values); }").then(
            handler, given, [inputs.note, *fields], js=js, **ASIDE
        )
        taken.then(None, fields, None, js="(...values) => { informRank.settle(values); }")
        taken.failure(None, None, inputs.note, js=f"() => {in_every_language(no_answer)}")
    return [(bulk_note, rank_view.render_bulk_note), (file_field, rank_view.render_file_field)]


def connect_edits(
    inputs: RankInputs, undo: gr.Button, clear: gr.Button, example: gr.Button, results: list[Any]
) -> None:
    """Add, remove, undo, clear and the example, all in the browser.

    Args:
        results: the verdict and the column below it, which clear and the example blank.
    """
    fields = list(inputs.fields)
    noted, emptied = [*fields, inputs.note], [*fields, inputs.note, *results]
    inputs.add.click(None, inputs.count, inputs.count, js="(n) => informRank.add(n)")
    for i, remove in enumerate(inputs.removes, 1):
        remove.click(None, fields, noted, js=f"(...values) => informRank.remove({i}, values)")
    undo.click(None, fields, noted, js="(...values) => informRank.undo(values)")
    clear.click(None, fields, emptied, js="(...values) => informRank.clear(values)")
    filled = _example_values()
    example.click(None, fields, emptied, js=f"(...values) => informRank.example(values, {filled})")


def _example_values() -> str:
    given = rank_inputs.EXAMPLE
    blank = [""] * (MOST_ANSWERS - len(given.responses))
    return json.dumps([len(given.responses), given.prompt, "", *given.responses, *blank])


def connect_memory(demo: gr.Blocks, inputs: RankInputs) -> None:
    """The memory over a reload, and the numbered labels in the visitor's language."""
    fields = list(inputs.fields)

    def labels(t: Texts) -> list[Any]:
        numbers = range(1, MOST_ANSWERS + 1)
        answers = [{"__type__": "update", "label": t.rank.answer.format(i=i)} for i in numbers]
        return [*answers, *({"__type__": "update", "value": t.rank.remove.format(i=i)} for i in numbers)]

    gr.on([field.change for field in fields], None, fields, None, js="(...values) => { informRank?.remember(values); }")
    demo.load(None, fields, fields, js=f"(...values) => {{ {_SCRIPT}\nreturn informRank.recall(values); }}")
    demo.load(None, None, [*inputs.answers, *inputs.removes], js=f"() => {in_every_language(labels)}")

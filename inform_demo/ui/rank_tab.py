"""The Rank tab: where its parts stand and what its events call.

A click starts here, goes through `rank_inputs.rank` to the scorer, and comes back as verdict, table, plot and matrix.
Knows gradio's components and events; knows nothing of rewards or markup, which `rank_inputs` and `rank_view` make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui import rank_inputs, rank_view, view
from inform_demo.ui.events import (
    I18N,
    SCORING,
    Static,
    api_error,
    in_every_language,
    texts_of,
    words_of,
)
from inform_demo.ui.rank_panel import (
    RankInputs,
    build_bulk,
    build_rank_inputs,
    connect_edits,
    connect_memory,
    html_part,
)
from inform_demo.ui.texts import ENGLISH, Texts

# One tone that can be read on white and on black: a plot cannot follow the theme. Not the colour of A or of B.
COLOUR = "#0f8f83"

# Below more bars than this, numbers side by side run into one another on a phone.
MOST_LEVEL_NUMBERS = 8


@dataclass(frozen=True)
class RankResult:
    """The components of the result; the column is hidden until there is one."""

    verdict: gr.HTML
    column: gr.Column
    ranked: gr.HTML
    plot: gr.BarPlot
    plot_note: gr.HTML
    matrix: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """What an answered ranking writes."""
        return [self.verdict, self.column, self.ranked, self.plot, self.matrix]


def _build_result() -> tuple[RankResult, list[Static]]:
    verdict = html_part(rank_view.render_empty(ENGLISH), "rank-verdict", "rank_result_label")
    with gr.Column(visible=False, elem_id="rank-result") as column:
        ranked = html_part("", "rank-table")
        plot = gr.BarPlot(x="answer", y="reward", color="series", show_label=False, height=260, elem_id="rank-plot")
        plot_note = html_part(rank_view.render_plot_note(ENGLISH))
        matrix = html_part("", "rank-matrix")
    result = RankResult(verdict, column, ranked, plot, plot_note, matrix)
    return result, [(plot_note, rank_view.render_plot_note)]


def _update(value: str, interactive: bool) -> dict[str, Any]:
    return {"__type__": "update", "value": value, "interactive": interactive}


def _bars(t: Texts, outcome: rank_inputs.RankOutcome) -> gr.BarPlot:
    points = rank_view.bar_points(outcome.ranking)
    return gr.BarPlot(
        pd.DataFrame(points | {"series": [t.rank.reward] * len(points["answer"])}),
        sort=points["answer"],
        x_title=t.rank.answer_column,
        x_label_angle=0 if len(points["answer"]) <= MOST_LEVEL_NUMBERS else -90,
        y_title=t.rank.reward,
        color_map={t.rank.reward: COLOUR},
        colors_in_legend=[],
    )


def _busy_script() -> str:
    def busy(t: Texts) -> list[Any]:
        hidden = {"__type__": "update", "visible": False}
        return [_update(t.rank.ranking, interactive=False), view.render_busy(t), hidden]

    return f"() => {{ informRank.start(); return {in_every_language(busy)}; }}"


def _finish_script() -> str:
    """Gives the button back; where no answer came at all (queue full, server gone) the handler could not say so."""

    def ready(t: Texts) -> dict[str, Any]:
        return _update(t.rank.rank_hint, interactive=True)

    def no_answer(t: Texts) -> str:
        return rank_view.render_error(t, f"{t.page.no_answer} {t.page.text_kept}")

    return f"""(verdict) => {{
        informRank.finish();
        const told = verdict.includes("data-busy") ? {in_every_language(no_answer)} : {{"__type__": "update"}};
        return [{in_every_language(ready)}, told];
    }}"""


def _connect_rank(
    inputs: RankInputs, button: gr.Button, result: RankResult, slot: ScorerSlot, config: ServeConfig
) -> None:
    """Button, shortcut (which presses the button) and what is shown before, meanwhile and afterwards."""

    def show_ranking(
        request: gr.Request, count: int | None, prompt: str, system: str, *answers: str
    ) -> tuple[Any, ...]:
        t = texts_of(request)
        try:
            outcome = rank_inputs.rank(slot, prompt, answers[: count or 0], system, t)
        except Exception as error:
            return rank_view.render_error(t, words_of(error, t)), gr.Column(visible=False), "", None, ""
        return (
            rank_view.render_verdict(t, outcome, config.tie_band),
            gr.Column(visible=True),
            rank_view.render_ranked(t, outcome),
            _bars(t, outcome),
            rank_view.render_matrix(t, outcome.ranking),
        )

    ranked = button.click(
        None,
        None,
        [button, result.verdict, result.column],
        js=_busy_script(),
    ).then(
        show_ranking,
        list(inputs.fields),
        result.shown,
        show_progress="minimal",
        show_progress_on=result.verdict,
        api_visibility="private",
        **SCORING,
    )
    # In Gradio 6.31 `then` does not follow a failure, whatever its documentation says.
    for after in (ranked.then, ranked.failure):
        after(None, result.verdict, [button, result.verdict], js=_finish_script())


def _connect_api(slot: ScorerSlot) -> None:
    def rank(prompt: str, responses: list[str], system: str = "") -> dict[str, Any]:
        """Rank 2 to 16 answers to one prompt by the reward model, best first.

        Args:
            prompt: what was asked.
            responses: the answers.
            system: an optional system prompt.

        Returns:
            answers (best first, each with index in the order given from 0, rank from 1, reward, win_probability and
            n_tokens), preference_matrix ([i][j] is the model's belief that answer i beats answer j, in the order
            given), n_tokens_shared, elapsed_s, model and precision.
        """
        try:
            return rank_inputs.rank(slot, prompt, responses, system).ranking.to_dict()
        except Exception as error:
            raise api_error(error, ENGLISH) from None

    gr.events.api(rank, api_name="rank", **SCORING)


def build_rank_tab(demo: gr.Blocks, slot: ScorerSlot, config: ServeConfig) -> list[Static]:
    """Build the tab's parts where it is called, and connect them.

    Returns:
        The parts that are HTML of ours and change with the language only.
    """
    inputs, statics = build_rank_inputs()
    statics += build_bulk(inputs)
    with gr.Row(elem_id="rank-actions"):
        button = gr.Button(I18N("rank_rank_hint"), variant="primary", elem_id="rank", scale=0, min_width=240)
        undo = gr.Button(I18N("rank_undo"), elem_id="rank-undo", scale=0, min_width=90)
        clear = gr.Button(I18N("page_clear"), elem_id="rank-clear", scale=0, min_width=90)
        example = gr.Button(I18N("rank_example"), elem_id="rank-example", scale=0, min_width=150)
    result, result_statics = _build_result()
    _connect_rank(inputs, button, result, slot, config)
    connect_edits(inputs, undo, clear, example, [result.verdict, result.column])
    connect_memory(demo, inputs)
    _connect_api(slot)
    return [*statics, *result_statics]

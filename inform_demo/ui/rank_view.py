"""From a ranking to the Rank tab's HTML: the verdict in words, the ranked table, the matrix of pairs.

Knows markup and plain rows; knows no gradio, no scorer and no layout. Texts go through `html.escape`, as in `view`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from inform_demo.preference import resolve_degree
from inform_demo.types import RankedAnswer, Ranking
from inform_demo.ui.rank_inputs import MAX_FILE_BYTES, RankOutcome
from inform_demo.ui.texts import Texts
from inform_demo.ui.view import (
    SMALLEST_SCALE,
    embedded_warning,
    format_percent,
    format_reward,
    paragraph,
    reward_bar,
)

# Enough of an answer to know it again.
MOST_SNIPPET_CHARACTERS = 90

# Full belief shades a cell of the matrix this much; more would cost the number in it its contrast.
MOST_SHADE_PERCENT = 45


def answer_name(t: Texts, index: int) -> str:
    """What the page calls an answer, by its number in the order given, from 0."""
    return t.rank.answer.format(i=index + 1)


def _listed(t: Texts, answers: Sequence[RankedAnswer]) -> str:
    *names, last = (answer_name(t, answer.index) for answer in answers)
    return f"{t.rank.comma.join(names)}{t.rank.last_comma}{last}" if names else last


def describe_ranking(t: Texts, ranking: Ranking, tie_band: float) -> str:
    """The verdict as a sentence: who is first, and how far ahead of the next.

    Args:
        tie_band: a probability within this of one half is too close to call.
    """
    best = ranking.answers[0]
    first = [answer for answer in ranking.answers if answer.rank == best.rank]
    rest = ranking.answers[len(first) :]
    if not rest:
        return t.rank.first_all.format(count=len(first))
    second = [answer for answer in rest if answer.rank == rest[0].rank]
    ahead = {
        "tie": t.rank.ahead_tie,
        "slightly": t.rank.ahead_slightly,
        "better": t.rank.ahead_better,
        "clearly": t.rank.ahead_clearly,
    }[resolve_degree(best.reward - rest[0].reward, tie_band)]
    lead = t.rank.first_one if len(first) == 1 else t.rank.first_several
    return lead.format(first=_listed(t, first)) + ahead.format(second=_listed(t, second))


def _is_shared(ranking: Ranking, rank: int) -> bool:
    return sum(answer.rank == rank for answer in ranking.answers) > 1


def render_verdict(t: Texts, outcome: RankOutcome, tie_band: float) -> str:
    """The sentence that is read out, and what the result is worth."""
    ranking = outcome.ranking
    icon = "=" if _is_shared(ranking, 1) else "1"
    return (
        f'<div class="verdict"><p class="stale">{escape(t.rank.stale)}</p>'
        f'<p class="headline"><span class="rank-mark" aria-hidden="true">{icon}</span>'
        f"<strong>{escape(describe_ranking(t, ranking, tie_band))}</strong></p>"
        f"{embedded_warning(t, outcome.report)}</div>"
    )


def render_ranked(t: Texts, outcome: RankOutcome) -> str:
    """Table of the answers, best first, and how they were computed."""
    ranking = outcome.ranking
    scale = max(SMALLEST_SCALE, math.ceil(max(abs(answer.reward) for answer in ranking.answers)))
    columns = (t.rank.place, t.rank.answer_column, t.rank.reward, t.rank.belief, t.rank.tokens)
    head = "".join(f'<th role="columnheader" scope="col">{escape(column)}</th>' for column in columns)
    rows = "".join(_ranked_row(t, outcome, answer, scale) for answer in ranking.answers)
    seconds = t.page.seconds.format(seconds=ranking.elapsed_s)
    computed = t.rank.computed.format(seconds=seconds, model=ranking.model, precision=ranking.precision)
    shared = t.rank.shared_tokens.format(n_tokens=ranking.n_tokens_shared, count=len(ranking.answers))
    # Narrow screens turn rows into boxes, which takes the roles from table elements: they are said outright.
    return (
        f'<table class="ranked" role="table"><caption>{escape(t.rank.table)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{rows}</tbody></table>'
        f"{paragraph(t.compare.reward_is)}{paragraph(f'{shared} {computed}')}"
    )


def _ranked_row(t: Texts, outcome: RankOutcome, answer: RankedAnswer, scale: int) -> str:
    ranking = outcome.ranking
    place = str(answer.rank)
    if _is_shared(ranking, answer.rank):
        place = t.rank.place_shared.format(rank=answer.rank)
    # Each number stands with its column's name where the head of the table is out of sight.
    return (
        f'<tr role="row"><td role="cell" class="place" data-name="{escape(t.rank.place)}">{escape(place)}</td>'
        f'<th role="rowheader" scope="row">{escape(answer_name(t, answer.index))}'
        f'<bdi class="snippet">{escape(_snippet(outcome.responses[answer.index]))}</bdi></th>'
        f'<td role="cell" class="reward-cell" data-name="{escape(t.rank.reward)}">{_bar(answer.reward, scale)}</td>'
        f'<td role="cell" data-name="{escape(t.rank.belief)}">{escape(format_percent(answer.win_probability))}</td>'
        f'<td role="cell" data-name="{escape(t.rank.tokens)}">{answer.n_tokens:,}</td></tr>'
    )


def _snippet(response: str) -> str:
    line = " ".join(response[: 4 * MOST_SNIPPET_CHARACTERS].split())
    return line if len(line) <= MOST_SNIPPET_CHARACTERS else f"{line[:MOST_SNIPPET_CHARACTERS].rstrip()}…"


def _bar(reward: float, scale: int) -> str:
    return (
        f'<span class="reward-value">{format_reward(reward)}</span>{reward_bar("rank", reward, scale)}'
        f'<span class="track-ends" aria-hidden="true"><span>−{scale}</span><span>0</span><span>+{scale}</span></span>'
    )


def bar_points(ranking: Ranking) -> dict[str, list[Any]]:
    """Columns for a bar plot, best first: the answer's number, which fits below a narrow bar, and its reward."""
    return {
        "answer": [str(answer.index + 1) for answer in ranking.answers],
        "reward": [answer.reward for answer in ranking.answers],
    }


def render_matrix(t: Texts, ranking: Ranking) -> str:
    """The model's belief in each pair as a table, in the order of the ranking."""
    order = [answer.index for answer in ranking.answers]
    names = {i: escape(answer_name(t, i)) for i in order}
    head = "".join(f'<th scope="col">{names[i]}</th>' for i in order)
    rows = "".join(
        f'<tr><th scope="row">{names[i]}</th>'
        + "".join(_matrix_cell(None if i == j else ranking.preference_matrix[i][j]) for j in order)
        + "</tr>"
        for i in order
    )
    # Sixteen columns are wider than a phone: what scrolls must be reachable by keyboard, and so must have a name. The
    # title stands outside, where it does not scroll away.
    return (
        f'<p class="matrix-title" id="rank-matrix-title">{escape(t.rank.matrix)}</p>'
        '<div class="matrix" role="region" tabindex="0" aria-labelledby="rank-matrix-title">'
        f'<table aria-labelledby="rank-matrix-title"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f"{paragraph(t.rank.matrix_note)}"
    )


def _matrix_cell(probability: float | None) -> str:
    if probability is None:
        return "<td>–</td>"
    shade = f"--shade:{probability * MOST_SHADE_PERCENT:.1f}%"
    return f'<td class="belief-cell" style="{shade}">{escape(format_percent(probability))}</td>'


def render_empty(t: Texts) -> str:
    """What stands in the verdict's place before the first ranking."""
    return paragraph(t.rank.empty_result, "placeholder")


def render_error(t: Texts, message: str) -> str:
    """An error in words, escaped."""
    return (
        f'<div class="verdict failure"><p class="headline"><span class="mark mark-failure" aria-hidden="true">!</span>'
        f"<strong>{escape(t.rank.not_ranked)}</strong></p>{paragraph(message, 'message')}</div>"
    )


def render_intro(t: Texts) -> str:
    """What the tab does."""
    return paragraph(t.rank.intro)


def render_bulk_note(t: Texts) -> str:
    """What pasting and opening a file do to what is there."""
    return paragraph(t.rank.bulk_note)


def render_full(t: Texts) -> str:
    """Why no further answer can be added."""
    return paragraph(t.rank.full)


def render_file_field(t: Texts) -> str:
    """The field for a file, which the tab's script reads in the browser: nothing is uploaded."""
    return (
        f'<label for="rank-file">{escape(t.rank.file_label)}</label>'
        f'<input id="rank-file" type="file" accept=".json,application/json" data-limit="{MAX_FILE_BYTES}" '
        f'aria-describedby="rank-file-info"><p class="note" id="rank-file-info">{escape(t.rank.file_info)}</p>'
    )


def render_plot_note(t: Texts) -> str:
    """What the plot shows."""
    return paragraph(t.rank.plot)


def render_note(message: str) -> str:
    """What happened to the answers, escaped."""
    return paragraph(message)


def render_refusal(t: Texts, message: str) -> str:
    """Why a pasted text or a file was not taken over."""
    return (
        f'<p class="refusal"><span class="mark mark-failure" aria-hidden="true">!</span>'
        f"<span>{escape(f'{message} {t.rank.not_taken}')}</span></p>"
    )

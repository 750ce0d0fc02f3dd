"""A ranking as markup, and what the Rank tab says of it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from inform_demo.types import RankedAnswer, Ranking
from inform_demo.ui import rank_view
from inform_demo.ui.rank_inputs import MAX_FILE_BYTES, RankOutcome
from inform_demo.ui.texts import CHINESE, ENGLISH
from tests.doubles import REPORT

NASTY = "<img src=x onerror=\"window.hacked='img'\"><script>1</script>${window.hacked}{{constructor}}\u202e"


def outcome_of(*rewards: float, responses: tuple[str, ...] = (), is_embedded: bool = True) -> RankOutcome:
    """An outcome with these rewards, in the order given; beliefs are made up but recognisable."""
    n = len(rewards)
    answers = sorted(
        (
            RankedAnswer(i, 1 + sum(other > reward for other in rewards), reward, 0.25, 100 + i)
            for i, reward in enumerate(rewards)
        ),
        key=lambda answer: (answer.rank, answer.index),
    )
    matrix = tuple(tuple(0.5 if i == j else (10 * i + j) / 100 for j in range(n)) for i in range(n))
    ranking = Ranking(tuple(answers), matrix, 12, 0.5, "some-model", "bf16")
    return RankOutcome(responses or ("text",) * n, ranking, replace(REPORT, is_embedded=is_embedded))


class Tags(HTMLParser):
    """Every tag and attribute of some HTML, and its text by tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in {"td", "th"}:
            self.cells.append("")
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.cells[-1] += data.replace("\N{NO-BREAK SPACE}", " ")


# --- Pasted answers


# --- Files


# --- Ranking what was given


# --- HTML


@pytest.mark.parametrize(
    ("rewards", "sentence"),
    [
        ((0.0, 5.0, 1.0), "Answer 2 is ranked first, clearly ahead of Answer 3"),
        ((0.0, 2.0), "Answer 2 is ranked first, ahead of Answer 1"),
        ((0.5, 0.0), "Answer 1 is ranked first, slightly ahead of Answer 2"),
        ((0.1, 0.0), "Answer 1 is ranked first, but too close to Answer 2 to call"),
        ((4.0, 0.0, 0.0), "Answer 1 is ranked first, clearly ahead of Answer 2 and Answer 3"),
        ((4.0, 4.0, 0.0), "Answer 1 and Answer 2 share first place, clearly ahead of Answer 3"),
        ((0.0, 4.0, 4.0, 4.0), "Answer 2, Answer 3 and Answer 4 share first place, clearly ahead of Answer 1"),
        ((1.0, 1.0, 1.0), "All 3 answers get the same reward and share first place"),
    ],
)
def test_the_verdict_is_a_sentence(rewards, sentence):
    outcome = outcome_of(*rewards)
    assert rank_view.describe_ranking(ENGLISH, outcome.ranking, 0.05) == sentence
    assert f"<strong>{sentence}</strong>" in rank_view.render_verdict(ENGLISH, outcome, 0.05)


def test_the_tie_band_and_the_language_reach_the_verdict():
    ranking = outcome_of(1.0, 0.0).ranking
    assert "too close" in rank_view.describe_ranking(ENGLISH, ranking, 0.3)
    assert rank_view.describe_ranking(CHINESE, ranking, 0.05) == "回答 1 排名第一，优于回答 2"


def test_only_the_demonstration_model_bears_its_warning():
    for is_embedded in (True, False):
        html = rank_view.render_verdict(ENGLISH, outcome_of(1, 0, is_embedded=is_embedded), 0.05)
        assert (ENGLISH.page.embedded_warning in html) == is_embedded


def test_the_ranked_table_has_place_name_reward_belief_and_tokens():
    outcome = outcome_of(0.5, 2.0, -1.234, 0.5, responses=("first", "second", "third", "fourth"))
    html = rank_view.render_ranked(ENGLISH, outcome)
    cells = Tags(html).cells
    assert cells[:5] == ["Place", "Answer", "Reward", "Belief to beat one of the others", "Tokens, prompt included"]
    rows = [cells[i : i + 5] for i in range(5, len(cells), 5)]
    assert [row[0] for row in rows] == ["1", "2, shared", "2, shared", "4"]
    assert [row[1] for row in rows] == ["Answer 2second", "Answer 1first", "Answer 4fourth", "Answer 3third"]
    assert [row[2] for row in rows] == ["2.00−50+5", "0.50−50+5", "0.50−50+5", "−1.23−50+5"]
    assert [row[3:] for row in rows] == [["25 %", "101"], ["25 %", "100"], ["25 %", "103"], ["25 %", "102"]]
    assert "The 12 tokens with which all 4 conversations begin" in html
    assert "Computed in 0.50 s by some-model in bf16." in html


def test_the_longer_bar_is_the_higher_reward_on_one_scale():
    html = rank_view.render_ranked(ENGLISH, outcome_of(10.0, -5.0, 0.0))
    assert re.findall(r'style="width:([\d.]+)%"', html) == ["100.00", "50.00", "25.00"]
    assert html.count("<span>+10</span>") == 3


def test_a_long_answer_is_shortened_in_the_table():
    html = rank_view.render_ranked(ENGLISH, outcome_of(1, 0, responses=("word " * 500, "x\n\n y")))
    assert "word…" in html
    assert len(html) < 5000
    assert ">x y</bdi>" in html


def test_the_matrix_is_in_the_order_of_the_ranking_with_headers_both_ways():
    ranking = outcome_of(0.0, 2.0, 1.0).ranking
    html = rank_view.render_matrix(ENGLISH, ranking)
    cells = Tags(html).cells
    names = ["Answer 2", "Answer 3", "Answer 1"]
    assert cells[:4] == ["", *names]
    assert cells[4:8] == ["Answer 2", "–", "12 %", "10 %"]
    assert cells[8:12] == ["Answer 3", "21 %", "–", "20 %"]
    assert cells[12:] == ["Answer 1", "1 %", "2 %", "–"]
    assert html.count('scope="col"') == html.count('scope="row"') == 3
    assert "--shade:5.4%" in html


def test_the_plot_shows_the_tables_numbers():
    ranking = outcome_of(0.5, 2.0, -1.0).ranking
    assert rank_view.bar_points(ranking) == {"answer": ["2", "1", "3"], "reward": [2.0, 0.5, -1.0]}


def test_whatever_was_typed_is_text():
    outcome = outcome_of(1, 0, responses=(NASTY, NASTY))
    outcome = replace(outcome, ranking=replace(outcome.ranking, model=NASTY, precision=NASTY))
    pages = [
        rank_view.render_ranked(ENGLISH, outcome),
        rank_view.render_error(ENGLISH, NASTY),
        rank_view.render_refusal(ENGLISH, NASTY),
        rank_view.render_note(NASTY),
    ]
    for html in pages:
        parsed = Tags(html)
        assert not {"img", "script", "a"} & set(parsed.tags)
        assert not [name for name, _ in parsed.attributes if name.startswith("on")]
        assert "&lt;img src=x" in html


def test_the_bound_of_a_file_is_said_beside_its_field():
    for t in (ENGLISH, CHINESE):
        html = rank_view.render_file_field(t)
        assert f"{MAX_FILE_BYTES:,}" in html
        assert f'data-limit="{MAX_FILE_BYTES}"' in html

"""Accuracies, their intervals against published values, and a length-only baseline that does what it says."""

from __future__ import annotations

import json

import pytest

from inform_demo.errors import ConversationTooLongError, DataError
from inform_demo.preference import wilson_interval
from inform_demo.recipe.evaluation import evaluate_file, evaluation_from_dict, render_markdown
from tests.doubles import FakeScorer
from tests.recipe.conftest import row


@pytest.mark.parametrize(
    ("n_won", "n", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (80, 100, 0.7112, 0.8666)],
)
def test_wilson_interval_against_published_values(n_won, n, low, high):
    assert wilson_interval(n_won, n) == pytest.approx((low, high), abs=1e-4)


# The fake scorer rewards different words: won, lost, and a tie, which counts as lost.
ROWS = [
    row("p", "three different words", "one", source="a"),
    row("p", "one", "three different words", source="a"),
    row("p", "same", "size", source="a"),
    row("p", "two words", "x", source="synthetic-one"),
    row("p", "x", "yy", source="synthetic-two"),
]


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join([*map(json.dumps, ROWS), "no json"]))
    return file


def test_wins_ties_and_the_longer_answer_are_counted(data):
    evaluation = evaluate_file(FakeScorer(), data, skip_invalid=True)
    counted = {s.source: (s.n, s.n_won, s.longer_wins) for s in evaluation.subsets}
    assert counted == {
        "a": (3, 1, pytest.approx(1 / 3)),
        "synthetic-one": (1, 1, 1.0),
        "synthetic-two": (1, 0, 0.0),
    }
    assert evaluation.n_invalid == 1
    assert evaluation_from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation


def test_the_table_sums_what_it_says_it_sums(data):
    table = render_markdown(evaluate_file(FakeScorer(), data, skip_invalid=True))
    assert "| synthetic-* together | 2 | 0.500 |" in table
    assert "| all pairs together | 5 | 0.400 |" in table
    assert "1 invalid rows" in table


def test_an_invalid_row_stops_unless_it_may_be_skipped(data):
    with pytest.raises(DataError, match="line 6"):
        evaluate_file(FakeScorer(), data)


def test_pairs_over_the_limit_are_counted_not_cut(data):
    class ShortScorer(FakeScorer):
        def score(self, conversations):
            if len(conversations[0].response) > 10:
                raise ConversationTooLongError(9, 5)
            return super().score(conversations)

    evaluation = evaluate_file(ShortScorer(), data, skip_invalid=True)
    assert evaluation.n_too_long == 1
    assert sum(subset.n for subset in evaluation.subsets) == 4


def test_nothing_left_to_score_is_an_error(data):
    with pytest.raises(DataError, match="5 were over the token limit"):
        evaluate_file(FakeScorer(error=ConversationTooLongError(9, 5)), data, skip_invalid=True)

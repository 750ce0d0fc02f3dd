from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from inform_demo.errors import InputError, RoleOrderError
from inform_demo.preference import preference_probability
from inform_demo.ranking import FEWEST_ANSWERS, MOST_ANSWERS, rank_conversations
from inform_demo.types import Conversation, Reward, build_conversations
from tests.doubles import FakeScorer


class TableScorer(FakeScorer):
    """Rewards by a table of answers; counts its calls."""

    def __init__(self, rewards: dict[str, float]) -> None:
        super().__init__()
        self.rewards = rewards
        self.batches: list[int] = []

    def score(self, conversations: Sequence[Conversation]) -> list[Reward]:
        self.batches.append(len(conversations))
        return [Reward(self.rewards[c.response], 10 + i, 7) for i, c in enumerate(conversations)]


def rank(scorer, *answers, prompt="which?"):
    return rank_conversations(scorer, build_conversations(prompt, answers))


def test_answers_come_best_first_with_their_number_as_given():
    scorer = TableScorer({"a": 0.5, "b": 3.0, "c": -1.25})
    ranking = rank(scorer, "a", "b", "c")
    assert [(one.rank, one.index, one.reward, one.n_tokens) for one in ranking.answers] == [
        (1, 1, 3.0, 11),
        (2, 0, 0.5, 10),
        (3, 2, -1.25, 12),
    ]
    assert scorer.batches == [3], "all answers go through the scorer together"
    assert (ranking.n_tokens_shared, ranking.model, ranking.precision) == (7, "fake-reward-model", "fp32")


def test_equal_rewards_share_a_place_and_leave_the_next_one_free():
    ranking = rank(TableScorer({"a": 1.0, "b": 2.0, "c": 2.0, "d": 0.0}), "a", "b", "c", "d")
    assert [(one.rank, one.index) for one in ranking.answers] == [(1, 1), (1, 2), (3, 0), (4, 3)]
    assert ranking.answers[0].win_probability == ranking.answers[1].win_probability


def test_the_matrix_holds_each_pair_in_the_order_given():
    rewards = {"a": 0.5, "b": 3.0, "c": -1.25}
    matrix = rank(TableScorer(rewards), *rewards).preference_matrix
    for (i, one), (j, other) in itertools.product(enumerate(rewards.values()), repeat=2):
        assert matrix[i][j] == preference_probability(one - other)
        assert matrix[i][j] + matrix[j][i] == pytest.approx(1)


def test_the_belief_to_win_is_the_mean_over_the_others():
    ranking = rank(TableScorer({"a": 0.5, "b": 3.0, "c": -1.25}), "a", "b", "c")
    second = ranking.answers[1]
    expected = (preference_probability(-2.5) + preference_probability(1.75)) / 2
    assert second.win_probability == pytest.approx(expected)


def test_of_two_answers_it_is_the_preference_probability_to_the_bit():
    for margin in (0.1, 0.7, 1 / 3, 5.0):
        ranking = rank(TableScorer({"a": margin, "b": 0.0}), "a", "b")
        assert ranking.answers[0].win_probability == preference_probability(margin)


@pytest.mark.parametrize("count", [0, 1, MOST_ANSWERS + 1])
def test_too_few_and_too_many_are_told_with_numbers(count):
    scorer = TableScorer({"a": 1.0})
    with pytest.raises(InputError, match=f"Expected {FEWEST_ANSWERS} to {MOST_ANSWERS} answers to rank; got {count}"):
        rank(scorer, *["a"] * count)
    assert scorer.batches == []


def test_the_bounds_themselves_are_ranked():
    for count in (FEWEST_ANSWERS, MOST_ANSWERS):
        ranking = rank(TableScorer({"a": 1.0}), *["a"] * count)
        assert [one.rank for one in ranking.answers] == [1] * count


def test_different_prompts_cannot_be_ranked():
    one, other = build_conversations("p", ["a"]), build_conversations("q", ["a"])
    with pytest.raises(RoleOrderError, match="same prompt"):
        rank_conversations(FakeScorer(), [*one, *other])


def test_the_dictionary_is_plain_and_complete():
    result = rank(TableScorer({"a": 1.0, "b": 0.0}), "a", "b").to_dict()
    assert list(result) == ["answers", "preference_matrix", "n_tokens_shared", "elapsed_s", "model", "precision"]
    assert list(result["answers"][0]) == ["index", "rank", "reward", "win_probability", "n_tokens"]


def test_the_real_model_computes_the_prompt_once_and_the_order_given_moves_nothing(embedded_scorer):
    prompt = "How do I keep bread fresh for longer?"
    answers = ("In a paper bag.", "Bread bread bread.", "Freeze it in slices, and toast them.", "In a paper bag.")
    ranking = rank(embedded_scorer, *answers, prompt=prompt)
    reversed_ranking = rank(embedded_scorer, *reversed(answers), prompt=prompt)
    by_answer = {answers[one.index]: one.reward for one in ranking.answers}
    assert {answers[::-1][one.index]: one.reward for one in reversed_ranking.answers} == by_answer
    assert ranking.n_tokens_shared >= embedded_scorer.count_tokens(build_conversations(prompt, ["x"])[0]) // 2
    assert all(ranking.n_tokens_shared < one.n_tokens for one in ranking.answers)
    ranks = {one.index: one.rank for one in ranking.answers}
    assert ranks[0] == ranks[3], "equal answers share a place"

"""The arithmetic of a preference, against numbers worked out elsewhere and as properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inform_demo.preference import describe_preference, preference_probability, resolve_preferred

margins = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("margin", "probability"), [(0, 0.5), (2.078125, 0.888759), (-1, 0.268941), (800, 1.0), (-800, 0.0)]
)
def test_probability_against_literals(margin, probability):
    assert preference_probability(margin) == pytest.approx(probability, abs=1e-6)


@given(margin=margins)
def test_probabilities_of_both_answers_sum_to_one(margin):
    assert preference_probability(margin) + preference_probability(-margin) == pytest.approx(1, abs=1e-12)


@given(margin=margins, band=st.floats(0, 0.49))
def test_swapping_the_answers_swaps_the_verdict(margin, band):
    swapped = {"a": "b", "b": "a", "tie": "tie"}
    assert resolve_preferred(-margin, band) == swapped[resolve_preferred(margin, band)]


def test_equal_rewards_tie_under_any_band():
    assert resolve_preferred(0.0, 0) == "tie"
    assert resolve_preferred(1e-9, 0) == "a"


def logit(p):
    return math.log(p / (1 - p))


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.549, "Too close to call"),
        (0.551, "Answer A is slightly better"),
        (0.729, "Answer A is slightly better"),
        (0.731, "Answer A is better"),
        (0.949, "Answer A is better"),
        (0.951, "Answer A is clearly better"),
    ],
)
def test_words_follow_the_probability(probability, words):
    assert describe_preference(logit(probability)) == words
    assert describe_preference(-logit(probability)) == words.replace("Answer A", "Answer B")

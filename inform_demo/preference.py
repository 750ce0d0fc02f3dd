"""Pure arithmetic from rewards to a preference: margin, probability, tie band, words.

Knows no model and no page; needs nothing but the standard library.
"""

from __future__ import annotations

import math

from inform_demo.config import DEFAULT_TIE_BAND
from inform_demo.types import Preferred

# The two upper bounds of the words for a preference, as probabilities of the better answer (margins of about 1 and 3).
SLIGHTLY_BETTER_UP_TO = 0.73
BETTER_UP_TO = 0.95


def preference_probability(margin: float) -> float:
    """sigmoid(margin): the Bradley-Terry belief that A is better, in [0, 1]; never overflows."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    e = math.exp(margin)
    return e / (1.0 + e)


def resolve_preferred(margin: float, tie_band: float = DEFAULT_TIE_BAND) -> Preferred:
    """Which answer is preferred: "tie" where the probability is within `tie_band` of one half.

    Equal rewards tie under any band, 0 included.
    """
    p = preference_probability(margin)
    if margin == 0 or abs(p - 0.5) < tie_band:
        return "tie"
    return "a" if margin > 0 else "b"


def describe_preference(margin: float, tie_band: float = DEFAULT_TIE_BAND) -> str:
    """The verdict as a sentence, e.g. "Answer A is clearly better"."""
    preferred = resolve_preferred(margin, tie_band)
    if preferred == "tie":
        return "Too close to call"
    p = preference_probability(abs(margin))
    degree = "slightly better" if p <= SLIGHTLY_BETTER_UP_TO else "better" if p <= BETTER_UP_TO else "clearly better"
    return f"Answer {preferred.upper()} is {degree}"

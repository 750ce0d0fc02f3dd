"""Pure arithmetic from rewards to a preference: margin, probability, tie band, words.

Knows no model and no page; needs nothing but the standard library.
"""

from __future__ import annotations

import math
from typing import Literal

from inform_demo.config import DEFAULT_TIE_BAND
from inform_demo.types import Preferred

# Two-sided 95 % of the normal distribution.
_Z = 1.959964

Degree = Literal["tie", "slightly", "better", "clearly"]

# The two upper bounds of the words for a preference, as probabilities of the better answer (margins of about 1 and 3).
SLIGHTLY_BETTER_UP_TO = 0.73
BETTER_UP_TO = 0.95


def preference_probability(margin: float) -> float:
    """sigmoid(margin): the Bradley-Terry belief that A is better, in [0, 1]; never overflows."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    e = math.exp(margin)
    return e / (1.0 + e)


def shown_margin(reward_a: float, reward_b: float) -> float:
    """The margin between rewards shown with two decimals: what a reader gets who subtracts them."""
    return round(round(reward_a, 2) - round(reward_b, 2), 2)


def resolve_preferred(margin: float, tie_band: float = DEFAULT_TIE_BAND) -> Preferred:
    """Which answer is preferred: "tie" where the probability is within `tie_band` of one half.

    Equal rewards tie under any band, 0 included.
    """
    p = preference_probability(margin)
    if margin == 0 or abs(p - 0.5) < tie_band:
        return "tie"
    return "a" if margin > 0 else "b"


def resolve_degree(margin: float, tie_band: float = DEFAULT_TIE_BAND) -> Degree:
    """How much better the preferred answer is, in the steps that the words have."""
    if resolve_preferred(margin, tie_band) == "tie":
        return "tie"
    p = preference_probability(abs(margin))
    return "slightly" if p <= SLIGHTLY_BETTER_UP_TO else "better" if p <= BETTER_UP_TO else "clearly"


def describe_preference(margin: float, tie_band: float = DEFAULT_TIE_BAND) -> str:
    """The verdict as a sentence, e.g. "Answer A is clearly better"."""
    degree = resolve_degree(margin, tie_band)
    if degree == "tie":
        return "Too close to call"
    words = "better" if degree == "better" else f"{degree} better"
    return f"Answer {resolve_preferred(margin, tie_band).upper()} is {words}"


def wilson_interval(n_won: float, n: float) -> tuple[float, float]:
    """95 % interval of a share; unlike the normal one it stays within [0, 1] and is right near its ends."""
    share = n_won / n
    center = share + _Z**2 / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))
    scale = 1 + _Z**2 / n
    # Rounding must not put the share itself outside.
    return max(0.0, min(share, (center - spread) / scale)), min(1.0, max(share, (center + spread) / scale))

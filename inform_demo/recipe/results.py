"""What an evaluation came to: a row a subset, all of them, and several as one. Knows numbers; no model and no items."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from inform_demo.preference import wilson_interval

LengthRule = Literal["longer", "shorter", "either"]


@dataclass(frozen=True)
class SubsetResult:
    """Items of one subset.

    Attributes:
        n_won: items won; not whole where one is shared or, of RewardBench 2's Ties, where a formula stands for them.
        n_prompts: different prompts among the items; of several subsets together, their sum.
        n_effective: how many items of a prompt each tell as much, see `effective_n`.
        low, high: 95 % interval of the accuracy: Wilson's of n_effective items, or of Ties by resampling.
        longer_wins, shorter_wins: the accuracy of preferring the longest answer (in characters), or the shortest,
            without reading it; among equally long ones it draws, so that a pair of one length counts as a half.
    """

    source: str
    n: int
    n_won: float
    n_prompts: int
    n_effective: float
    low: float
    high: float
    longer_wins: float
    shorter_wins: float

    @property
    def length_wins(self) -> float:
        """What going by length alone gives, whichever way does better."""
        return max(self.longer_wins, self.shorter_wins)

    @property
    def length_rule(self) -> LengthRule:
        """Which answer going by length has to prefer for that."""
        if self.longer_wins == self.shorter_wins:
            return "either"
        return "longer" if self.longer_wins > self.shorter_wins else "shorter"

    @property
    def accuracy(self) -> float:
        """Share of items won."""
        return self.n_won / self.n


@dataclass(frozen=True)
class Evaluation:
    """All subsets of a file, and what was left out of them.

    Attributes:
        longest_preferred, longest_right: of the items with one longest answer, the share in which it has the highest
            reward, and in which it is a right one. A model that leans on length has the first above the second.
        benchmark: its name in `BENCHMARKS`; None for pairs of one's own.
        sections, longer_sections: the benchmark's section scores of the model and of preferring the longer answer.
    """

    model: str
    precision: str
    data: str
    subsets: tuple[SubsetResult, ...]
    n_too_long: int
    n_invalid: int
    longest_preferred: float
    longest_right: float
    benchmark: str | None = None
    sections: Mapping[str, float] = field(default_factory=dict)
    longer_sections: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For `json.dumps`, accuracies included."""
        subsets = [{**asdict(subset), "accuracy": subset.accuracy} for subset in self.subsets]
        return {**asdict(self), "subsets": subsets}


def evaluation_from_dict(value: dict[str, Any]) -> Evaluation:
    """The inverse of `Evaluation.to_dict`."""
    names = SubsetResult.__dataclass_fields__
    subsets = tuple(SubsetResult(**{name: subset[name] for name in names}) for subset in value["subsets"])
    return Evaluation(**{**value, "subsets": subsets})


def interval_of(n_won: float, n: int, n_effective: float) -> tuple[float, float]:
    """95 % interval of the share n_won / n, which is known as well as `n_effective` independent items tell it."""
    return wilson_interval(n_won / n * n_effective, n_effective)


def effective_n(wins_by_prompt: Iterable[Sequence[float]]) -> float:
    """How many independent items would tell the share won as well as these, of which those of one prompt go together.

    What a model makes of a prompt it makes of all its answers: six pairs of one prompt are less than six pairs. The
    share's variance is taken over prompts (cluster-robust), and n is what gives as much without clusters; where every
    item is won, or none, it is the number of prompts. At most the number of items. With fewer than ten prompts the
    interval is still somewhat narrow (of 6 prompts, 91 % hold the truth), which the number of prompts beside it shows.
    Source: Dean and Pagano, 2015, "Evaluating Confidence Interval Methods for Binomial Proportions in Clustered
    Surveys".

    Args:
        wins_by_prompt: of each prompt, its items' wins between 0 and 1.
    """
    groups = list(wins_by_prompt)
    n, n_prompts = sum(map(len, groups)), len(groups)
    share = sum(map(sum, groups)) / n
    if n_prompts in (1, n) or share in (0, 1):
        return n_prompts
    variance = clustered_variance(groups)
    return min(n, share * (1 - share) / variance) if variance else n


def clustered_variance(groups: Collection[Sequence[float]]) -> float:
    """The variance of the mean of all values, of which those of one group go together; 0 for a single group."""
    n, n_groups = sum(map(len, groups)), len(groups)
    mean = sum(map(sum, groups)) / n
    squares = sum((sum(values) - mean * len(values)) ** 2 for values in groups)
    return n_groups / max(1, n_groups - 1) * squares / n**2


def together(name: str, subsets: Iterable[SubsetResult]) -> SubsetResult:
    """Several subsets as one, each item counting alike."""
    subsets = list(subsets)
    n, n_won = sum(subset.n for subset in subsets), sum(subset.n_won for subset in subsets)
    n_effective = n**2 / sum(subset.n**2 / subset.n_effective for subset in subsets)
    n_prompts = sum(subset.n_prompts for subset in subsets)
    longer, shorter = (sum(getattr(s, wins) * s.n for s in subsets) / n for wins in ("longer_wins", "shorter_wins"))
    interval = interval_of(n_won, n, n_effective)
    return SubsetResult(name, n, n_won, n_prompts, n_effective, *interval, longer, shorter)

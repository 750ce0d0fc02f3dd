"""Accuracy on labelled pairs, a row a source, with what it takes to judge it: n, an interval, a length-only baseline.

A pair counts as won only if chosen > rejected; a tie is a loss, as RewardBench has it. Knows a Scorer and pairs; no
model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inform_demo.errors import ConversationTooLongError, DataError
from inform_demo.preference import wilson_interval
from inform_demo.recipe.pairs import read_pairs
from inform_demo.types import PreferencePair, Scorer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SubsetResult:
    """Pairs of one source.

    Attributes:
        low, high: Wilson 95 % interval of the accuracy. longer_wins: accuracy of preferring the longer answer (in
        characters) without reading it; an equal length is a loss.
    """

    source: str
    n: int
    n_won: int
    low: float
    high: float
    longer_wins: float

    @property
    def accuracy(self) -> float:
        """Share of pairs won."""
        return self.n_won / self.n


@dataclass(frozen=True)
class Evaluation:
    """All subsets of a file, and what was left out of them."""

    model: str
    precision: str
    data: str
    subsets: tuple[SubsetResult, ...]
    n_too_long: int
    n_invalid: int

    def to_dict(self) -> dict[str, Any]:
        """For `json.dumps`, accuracies included."""
        subsets = [{**asdict(subset), "accuracy": subset.accuracy} for subset in self.subsets]
        return {**asdict(self), "subsets": subsets}


def evaluation_from_dict(value: dict[str, Any]) -> Evaluation:
    """The inverse of `Evaluation.to_dict`."""
    names = SubsetResult.__dataclass_fields__
    subsets = tuple(SubsetResult(**{name: subset[name] for name in names}) for subset in value["subsets"])
    return Evaluation(**{**value, "subsets": subsets})


def evaluate_file(scorer: Scorer, path: Path, *, skip_invalid: bool = False) -> Evaluation:
    """Score every pair of a file, with a progress bar on stderr.

    Raises:
        DataError: a row is no pair and `skip_invalid` is off, or no pair is left.
    """
    skipped: list[DataError] | None = [] if skip_invalid else None
    pairs = list(read_pairs(path, skipped))
    outcomes: dict[str, list[tuple[bool, bool]]] = {}
    n_too_long = 0
    for pair in tqdm(pairs, unit="pair", desc="scoring"):
        try:
            chosen, rejected = scorer.score([pair.chosen, pair.rejected])
        except ConversationTooLongError:
            n_too_long += 1
            continue
        outcomes.setdefault(pair.source, []).append((chosen.value > rejected.value, _longer_is_chosen(pair)))
    if not outcomes:
        raise DataError(f"expected pairs to score; {n_too_long} were over the token limit", str(path))
    subsets = tuple(summarise(source, outcomes[source]) for source in sorted(outcomes))
    return Evaluation(scorer.report.model, scorer.report.precision, path.name, subsets, n_too_long, len(skipped or ()))


def summarise(source: str, outcomes: Sequence[tuple[bool, bool]]) -> SubsetResult:
    """A subset from its pairs' (model won, longer answer is the better one)."""
    n, n_won = len(outcomes), sum(won for won, _ in outcomes)
    low, high = wilson_interval(n_won, n)
    return SubsetResult(source, n, n_won, low, high, sum(longer for _, longer in outcomes) / n)


def render_markdown(evaluation: Evaluation) -> str:
    """The results as a Markdown table, synthetic sources also together."""
    rows = list(evaluation.subsets)
    synthetic = [subset for subset in rows if subset.source.startswith("synthetic-")]
    if len(synthetic) > 1:
        rows.append(_together("synthetic-* together", synthetic))
    rows.append(_together("all pairs together", evaluation.subsets))
    lines = [
        "| set | n | accuracy | 95 % interval | preferring the longer answer |",
        "| --- | ---: | ---: | :---: | ---: |",
        *(
            f"| {row.source} | {row.n} | {row.accuracy:.3f} | {row.low:.3f} to {row.high:.3f} | {row.longer_wins:.3f} |"
            for row in rows
        ),
        "",
        f"{evaluation.model} in {evaluation.precision} on {evaluation.data}. A tie counts as a loss. "
        f"Left out: {evaluation.n_too_long} pairs over the token limit, {evaluation.n_invalid} invalid rows.",
    ]
    return "\n".join(lines)


def _together(name: str, subsets: Iterable[SubsetResult]) -> SubsetResult:
    subsets = list(subsets)
    n, n_won = sum(subset.n for subset in subsets), sum(subset.n_won for subset in subsets)
    low, high = wilson_interval(n_won, n)
    return SubsetResult(name, n, n_won, low, high, sum(subset.longer_wins * subset.n for subset in subsets) / n)


def _longer_is_chosen(pair: PreferencePair) -> bool:
    return len(pair.chosen.response) > len(pair.rejected.response)

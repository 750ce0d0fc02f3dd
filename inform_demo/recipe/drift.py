"""How far the margins of one model move when it computes in another precision: agreement of their signs, and distances.

Scores the same pairs with two scorers, one after the other, so that the memory has to hold one at a time. Knows pairs,
scorers and, where a picture is drawn, matplotlib; no model.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from inform_demo.config import Precision
from inform_demo.errors import ConversationTooLongError, DataError
from inform_demo.recipe.curves import import_figure
from inform_demo.recipe.pairs import read_pairs
from inform_demo.types import PreferencePair, Scorer


@dataclass(frozen=True)
class Drift:
    """Margins (chosen - rejected) of the same pairs in two precisions.

    Attributes:
        sign_agreement: share of pairs whose margin has the same sign in both; zero is a sign of its own.
        mean_change, largest_change: of the margin's absolute change.
        mean_shift: of the change with its sign, `against - precision`.
        accuracy, accuracy_against: share of pairs with a margin above zero.
    """

    model: str
    precision: str
    against: str
    n_pairs: int
    n_too_long: int
    n_invalid: int
    sign_agreement: float
    mean_change: float
    largest_change: float
    mean_shift: float
    accuracy: float
    accuracy_against: float
    margins: tuple[float, ...]
    margins_against: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for `json.dumps`."""
        return asdict(self)


def read_some_pairs(path: Path, limit: int | None, *, skip_invalid: bool) -> tuple[list[PreferencePair], int]:
    """The first pairs of a file, and how many invalid rows were left out before the last of them.

    Raises:
        DataError: the file cannot be read, has no pair, or has a bad row that is not to be left out.
    """
    skipped: list[DataError] = []
    rows = read_pairs(path, skipped if skip_invalid else None, needs_magnitude=False)
    pairs = list(islice(rows, limit))
    if not pairs:
        raise DataError("holds no pair to score", str(path))
    return pairs, len(skipped)


def measure_drift(
    load: Callable[[Precision], Scorer],
    pairs: Sequence[PreferencePair],
    precision: Precision,
    against: Precision,
    n_invalid: int = 0,
) -> Drift:
    """Score the pairs in both precisions and compare; those over the token limit are left out and counted.

    Raises:
        DataError: every pair is over the limit.
        InformError: a model cannot be loaded or fails.
    """
    model, scored = _score(load(precision), pairs)
    # One model in memory at a time: hooks of a model spread over GPUs hold it in a circle.
    gc.collect()
    _, scored_against = _score(load(against), pairs)
    both = [
        (one, other) for one, other in zip(scored, scored_against, strict=True) if one is not None and other is not None
    ]
    if not both:
        raise DataError("every pair is over the token limit", "the data")
    changes = [other - one for one, other in both]
    return Drift(
        model=model,
        precision=precision,
        against=against,
        n_pairs=len(both),
        n_too_long=len(pairs) - len(both),
        n_invalid=n_invalid,
        sign_agreement=fmean(_sign(one) == _sign(other) for one, other in both),
        mean_change=fmean(map(abs, changes)),
        largest_change=max(map(abs, changes)),
        mean_shift=fmean(changes),
        accuracy=fmean(one > 0 for one, _ in both),
        accuracy_against=fmean(other > 0 for _, other in both),
        margins=tuple(one for one, _ in both),
        margins_against=tuple(other for _, other in both),
    )


def render_drift(drift: Drift) -> str:
    """The drift as Markdown."""
    return "\n".join(
        [
            "| margin | value |",
            "| --- | ---: |",
            f"| same sign | {drift.sign_agreement:.2%} |",
            f"| mean change | {drift.mean_change:.4f} |",
            f"| largest change | {drift.largest_change:.4f} |",
            f"| mean shift | {drift.mean_shift:+.4f} |",
            f"| accuracy in {drift.precision} | {drift.accuracy:.2%} |",
            f"| accuracy in {drift.against} | {drift.accuracy_against:.2%} |",
            "",
            f"{drift.model} in {drift.against} against {drift.precision}, {drift.n_pairs} pairs. Left out: "
            f"{drift.n_too_long} pairs over the token limit, {drift.n_invalid} invalid rows.",
        ]
    )


def plot_drift(drift: Drift, path: Path) -> None:
    """Draw each pair's margin in one precision over the other, and how the changes spread; overwrites `path`."""
    Figure, FigureCanvasAgg = import_figure()
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.axline((0, 0), slope=1, color="#888888", linewidth=1, linestyle=":")
    left.axhline(0, color="#dddddd", linewidth=1)
    left.axvline(0, color="#dddddd", linewidth=1)
    left.plot(drift.margins, drift.margins_against, "o", color="#0b5394", markersize=3, alpha=0.6)
    left.set_xlabel(f"margin in {drift.precision}")
    left.set_ylabel(f"margin in {drift.against}")
    changes = [other - one for one, other in zip(drift.margins, drift.margins_against, strict=True)]
    right.hist(changes, bins=40, color="#9db8d2")
    right.set_xlabel("change of the margin")
    right.set_ylabel("pairs")
    figure.suptitle(f"{drift.model}: same sign in {drift.sign_agreement:.1%} of {drift.n_pairs} pairs", fontsize=10)
    figure.savefig(path, dpi=120)


def _score(scorer: Scorer, pairs: Sequence[PreferencePair]) -> tuple[str, list[float | None]]:
    """The model's name and each pair's margin; None where a conversation is over the limit."""
    margins: list[float | None] = []
    for pair in pairs:
        try:
            margins.append(scorer.compare_conversations(pair.chosen, pair.rejected).margin)
        except ConversationTooLongError:
            margins.append(None)
    return scorer.report.model, margins


def _sign(margin: float) -> int:
    return (margin > 0) - (margin < 0)

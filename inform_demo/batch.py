"""A table of pairs through a scorer, row by row, and what the rewards say together.

A row that cannot be scored keeps its reason and the rest go on. Knows any `Scorer`; knows no file and no page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from inform_demo.batch_files import Columns, parse_pair
from inform_demo.errors import InformError, ModelNotReadyError
from inform_demo.preference import resolve_preferred, wilson_interval
from inform_demo.types import Comparison, Preferred, Scorer

N_BINS = 20

# What one call of the API may hold.
MOST_API_PAIRS = 200


@dataclass(frozen=True)
class BatchRow:
    """One row, scored or not.

    Attributes:
        number: its place in the file, from 1.
        prompt: the last user turn. length_a, length_b: characters of the answers.
        comparison: None where `fault` says why there is none.
    """

    number: int
    prompt: str
    response_a: str
    response_b: str
    label: Preferred | None = None
    comparison: Comparison | None = None
    fault: InformError | None = None

    @property
    def error(self) -> str:
        """The fault in its own words; empty where there is none."""
        return str(self.fault or "")


@dataclass
class BatchRun:
    """A table on its way through a scorer; it can be left at any row and gone on with.

    Attributes:
        done: the rows so far, in order.
        spent_s: seconds of work in `advance`, without what lay between the calls.
    """

    rows: tuple[Mapping[str, Any], ...]
    columns: Columns
    done: list[BatchRow] = field(default_factory=list)
    spent_s: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether every row was tried."""
        return len(self.done) >= len(self.rows)

    @property
    def left_s(self) -> float:
        """Seconds that the rest should take at the pace so far."""
        return self.spent_s / len(self.done) * (len(self.rows) - len(self.done)) if self.done else 0.0

    def advance(
        self,
        scorer: Scorer,
        budget_s: float,
        note_fault: Callable[[InformError], None] | None = None,
        is_ending: Callable[[], bool] = bool,
    ) -> None:
        """Score rows until `budget_s` has passed or none is left; always at least one.

        Args:
            note_fault: called with that of each row that has one, such as to count it.
            is_ending: asked after each row; where it says so, the rest is left as if the time had passed.

        Raises:
            ModelNotReadyError: there is no model; the rows done stay.
        """
        began = time.perf_counter()
        try:
            while not self.is_finished:
                self.done.append(score_row(scorer, self.rows[len(self.done)], self.columns, len(self.done) + 1))
                if note_fault and (fault := self.done[-1].fault):
                    note_fault(fault)
                if time.perf_counter() - began >= budget_s or is_ending():
                    return
        finally:
            self.spent_s += time.perf_counter() - began

    def give_up(self, fault: InformError) -> None:
        """Give every row that is left this fault, unscored."""
        while not self.is_finished:
            self.done.append(_unscored(self.rows[len(self.done)], self.columns, len(self.done) + 1, fault))


def score_row(scorer: Scorer, row: Mapping[str, Any], columns: Columns, number: int) -> BatchRow:
    """Compare the answers of one row; what is wrong with it becomes its `error`.

    Raises:
        ModelNotReadyError: there is no model, which is no fault of the row.
    """
    try:
        pair = parse_pair(row, columns)
    except InformError as error:
        return _unscored(row, columns, number, error)
    texts = (pair.a.prompt[-1].content, pair.a.response, pair.b.response)
    try:
        comparison = scorer.compare_conversations(pair.a, pair.b)
    except ModelNotReadyError:
        raise
    except InformError as error:
        return BatchRow(number, *texts, pair.label, fault=error)
    return BatchRow(number, *texts, pair.label, comparison)


def _unscored(row: Mapping[str, Any], columns: Columns, number: int, fault: InformError) -> BatchRow:
    prompt, response_a, response_b = (
        readable(row.get(column)) if column else ""
        for column in (columns.prompt, columns.response_a, columns.response_b)
    )
    return BatchRow(number, prompt, response_a, response_b, fault=fault)


def readable(value: object) -> str:
    """A cell as text that every format can hold: "" for nothing, and "?" for half a surrogate pair."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class BatchSummary:
    """What scored rows say together; None where there is nothing to say it of.

    Attributes:
        n_a, n_b, n_tie: rows by the preferred answer.
        n_labelled, n_right: rows with a label, and those in which the model prefers the answer that it names.
        low, high: Wilson 95 % interval of the accuracy.
        longer_preferred: share of the decided rows with answers of unequal length in which the longer one is preferred.
        length_correlation: Spearman's rank correlation of the margin with the difference of lengths, in [-1, 1].
    """

    n_scored: int
    n_failed: int
    n_a: int
    n_b: int
    n_tie: int
    n_labelled: int
    n_right: int
    accuracy: float | None
    low: float | None
    high: float | None
    longer_preferred: float | None
    length_correlation: float | None


def summarise(rows: Iterable[BatchRow], tie_band: float) -> BatchSummary:
    """Count what the rows say; a probability within `tie_band` of one half is a tie."""
    rows = list(rows)
    scored = [(row, row.comparison.margin) for row in rows if row.comparison is not None]
    preferred = [resolve_preferred(margin, tie_band) for _, margin in scored]
    labelled = [(row.label, choice) for (row, _), choice in zip(scored, preferred, strict=True) if row.label]
    n_right = sum(label == choice for label, choice in labelled)
    low, high = wilson_interval(n_right, len(labelled)) if labelled else (None, None)
    longer = [len(row.response_a) - len(row.response_b) for row, _ in scored]
    follows = [
        (choice == "a") == (difference > 0)
        for choice, difference in zip(preferred, longer, strict=True)
        if choice != "tie" and difference
    ]
    # Spearman's correlation is Pearson's of the ranks; pandas' own needs SciPy for it.
    ranks = pd.DataFrame({"margin": [margin for _, margin in scored], "longer": longer}).rank()
    varies = len(scored) > 2 and bool((ranks.std() > 0).all())
    return BatchSummary(
        n_scored=len(scored),
        n_failed=len(rows) - len(scored),
        n_a=preferred.count("a"),
        n_b=preferred.count("b"),
        n_tie=preferred.count("tie"),
        n_labelled=len(labelled),
        n_right=n_right,
        accuracy=n_right / len(labelled) if labelled else None,
        low=low,
        high=high,
        longer_preferred=sum(follows) / len(follows) if follows else None,
        length_correlation=float(ranks["margin"].corr(ranks["longer"])) if varies else None,
    )


def bin_margins(rows: Iterable[BatchRow]) -> list[tuple[float, float, int]]:
    """A histogram of the margins: lower edge, upper edge and rows of each bin, zero always an edge."""
    margins = [row.comparison.margin for row in rows if row.comparison is not None]
    if not margins:
        return []
    width = max(map(abs, margins)) * 2 / N_BINS or 1.0
    edges = [(i - N_BINS // 2) * width for i in range(N_BINS + 1)]
    places = [min(N_BINS - 1, max(0, int((margin - edges[0]) // width))) for margin in margins]
    return [(edges[i], edges[i + 1], places.count(i)) for i in range(N_BINS)]

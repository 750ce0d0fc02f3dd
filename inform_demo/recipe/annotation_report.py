"""What a run of annotation came to: counts, the histogram of magnitudes, the flip rate, failures, tokens and cost.

Knows numbers and their words; judges nothing and writes no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inform_demo.recipe.annotation import BYTES_A_TOKEN, TOKENS_A_REPLY, Annotation, Failure, Usage
from inform_demo.recipe.pairs import MAGNITUDES


@dataclass(frozen=True)
class UnjudgedPair:
    """A pair left out, and the first thing that went wrong with it.

    Attributes:
        number: its place among the pairs of the file, from 1.
        prompt: the beginning of its last user turn.
    """

    number: int
    prompt: str
    failure: Failure


@dataclass(frozen=True, kw_only=True)
class AnnotationReport:
    """The outcome of a run, over all pairs of the file.

    Attributes:
        n_invalid: rows of the file that are no pairs.
        magnitudes: how many of the pairs written have each.
        flip_rate: share of the judged pairs where each order preferred another answer; None without any.
        unjudged: pairs left out; a rerun asks for them again.
        usage, cost_usd: of all runs with this output, whoever judged, at this run's prices; the cost is None where no
            prices are given.
    """

    judge: str
    template_version: int
    n_pairs: int
    n_invalid: int
    n_judged: int
    n_written: int
    magnitudes: Mapping[int, int]
    flip_rate: float | None
    n_disputed: int
    n_label_conflicts: int
    unjudged: tuple[UnjudgedPair, ...]
    usage: Usage
    cost_usd: float | None

    @property
    def failures(self) -> dict[str, int]:
        """How many pairs were left out for each reason, most frequent first."""
        return dict(Counter(pair.failure.reason for pair in self.unjudged).most_common())

    def to_dict(self) -> dict[str, Any]:
        """For `json.dumps`, the counted failures included."""
        return {**asdict(self), "failures": self.failures}


def count_annotations(annotations: Sequence[Annotation], written: Sequence[Annotation]) -> dict[str, Any]:
    """The report's counts of all annotations, and of those written."""
    n_judged = len(annotations)
    return {
        "n_judged": n_judged,
        "n_written": len(written),
        "magnitudes": {magnitude: sum(one.magnitude == magnitude for one in written) for magnitude in MAGNITUDES},
        "flip_rate": sum(one.flipped for one in annotations) / n_judged if n_judged else None,
        "n_disputed": sum(one.disputed for one in annotations),
        "n_label_conflicts": sum(one.label_conflict for one in annotations),
    }


def render_report(report: AnnotationReport) -> str:
    """The report as lines for a terminal."""
    flips = "none" if report.flip_rate is None else f"{report.flip_rate:.1%}"
    lines = [
        f"{report.n_judged} of {report.n_pairs} pairs judged in both orders by {report.judge}, "
        f"{report.n_written} written; {report.n_invalid} invalid rows.",
        "magnitudes: " + ", ".join(f"{magnitude}: {n}" for magnitude, n in report.magnitudes.items()),
        f"flip rate: {flips}; disputed: {report.n_disputed}; label conflicts: {report.n_label_conflicts}",
        render_usage(report.usage, report.cost_usd),
    ]
    if report.unjudged:
        lines.append("not judged: " + ", ".join(f"{reason}: {n}" for reason, n in report.failures.items()))
    return "\n".join(lines)


def render_usage(usage: Usage, cost_usd: float | None) -> str:
    """Tokens paid for and their cost, with how far they are a guess."""
    text = f"tokens: {usage.tokens_in:,} in, {usage.tokens_out:,} out"
    if usage.n_estimated:
        text += f" ({usage.n_estimated} requests estimated at {BYTES_A_TOKEN} bytes a token, lost ones at their most)"
    return text + _cost(cost_usd)


def render_estimate(usage: Usage, cost_usd: float | None) -> str:
    """Tokens to be paid for and their cost, with how they are guessed."""
    words = f"estimate: {usage.tokens_in:,} tokens in (one every {BYTES_A_TOKEN} bytes of text), "
    return f"{words}{usage.tokens_out:,} out ({TOKENS_A_REPLY} a reply){_cost(cost_usd)}"


def _cost(cost_usd: float | None) -> str:
    return "" if cost_usd is None else f"; {cost_usd:,.4f} USD"

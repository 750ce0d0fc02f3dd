"""The words of the Rank tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RankTexts:
    """One language's words."""

    title: str


ENGLISH = RankTexts(
    title="rank",
)

CHINESE = RankTexts(
    title="rank",
)

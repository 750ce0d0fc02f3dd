"""The words of the Batch tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BatchTexts:
    """One language's words."""

    title: str


ENGLISH = BatchTexts(
    title="batch",
)

CHINESE = BatchTexts(
    title="batch",
)

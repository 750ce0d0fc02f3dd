"""The words of the About tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AboutTexts:
    """One language's words."""

    title: str


ENGLISH = AboutTexts(
    title="about",
)

CHINESE = AboutTexts(
    title="about",
)

"""How much of something visitors hold at this moment: each of them, and all together.

Knows names of visitors and numbers; knows neither bounds nor requests. All of it happens in one thread, the event
loop's.
"""

from __future__ import annotations

from collections import Counter


class Shares:
    """A number for each visitor who holds something, and their sum."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self.total = 0

    def of(self, visitor: str) -> int:
        """What one visitor holds."""
        return self._held[visitor]

    def change(self, visitor: str, n: int) -> None:
        """Take `n` more, or give back where it is less than 0; who holds nothing is forgotten."""
        self.total += n
        self._held[visitor] += n
        if not self._held[visitor]:
            del self._held[visitor]

"""How much one visitor may ask for: token buckets, in memory that is bounded.

Knows names of visitors and a clock that cannot jump; knows nothing of requests.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

# The visitors that are remembered. One who is forgotten starts with a full bucket, which a crowd of addresses could
# bring about; it bounds memory to a few megabytes.
_MOST_VISITORS = 50_000


class Buckets:
    """A bucket of `burst` tokens for each visitor, refilled with `per_minute`.

    Own code, because the libraries for this count by the wall clock, which jumps.

    Args:
        per_minute: tokens that come back in a minute.
        burst: tokens of a full bucket.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, per_minute: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_minute / 60
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when that was so

    def take(self, visitor: str) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        now = self._now()
        tokens, since = self._buckets.pop(visitor, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._per_s
        self._buckets[visitor] = (tokens if wait_s else tokens - 1, now)
        if len(self._buckets) > _MOST_VISITORS:
            self._buckets.popitem(last=False)
        return wait_s

    def charge(self, visitor: str, n: int) -> None:
        """Take `n` more tokens of one who was let in; those that are not there are a debt, waited off before the next.

        Refusing instead would keep anyone from asking for more at once than a full bucket holds.
        """
        tokens, since = self._buckets.get(visitor, (float(self._burst), self._now()))
        self._buckets[visitor] = (tokens - n, since)

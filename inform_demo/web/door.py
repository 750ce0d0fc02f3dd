"""What the gate goes by: what it looks at behind it, the limits of a configuration, and how it says no.

Knows the configuration and answers; knows no request.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import JSONResponse

from inform_demo.config import ServeConfig
from inform_demo.slot import SlotStatus
from inform_demo.web.limits import Buckets
from inform_demo.web.routes import Kind
from inform_demo.web.stopping import Stopping


@dataclass(frozen=True)
class Door:
    """What the gate looks at, of what is behind it.

    Attributes:
        status: the state of the model.
        queue_length: how many wait for it. held_by: how many of them are one visitor.
        wait_s: about how long the queue takes as it is.
        uploads: the folder they come to.
        ranking: the number by which the page calls the function that ranks.
    """

    config: ServeConfig
    status: Callable[[], SlotStatus]
    queue_length: Callable[[], int]
    held_by: Callable[[str], int]
    wait_s: Callable[[], float]
    uploads: Callable[[], Path]
    stopping: Stopping
    ranking: int | None = None


class RefusedError(Exception):
    """Turned away, with a status, a reason to count and words to show."""

    def __init__(self, status: int, reason: str, detail: str, wait_s: float = 0.0) -> None:
        self.response = JSONResponse({"detail": detail, "error": detail}, status)
        if wait_s:
            self.response.headers["Retry-After"] = str(math.ceil(wait_s))
        self.reason = reason


def build_limits(config: ServeConfig) -> dict[Kind, Buckets]:
    """How much one visitor may ask for, by what it is for; of what is not named there is no limit."""
    per_minute = config.visitor_limit
    # Guessing a password is slow everywhere.
    buckets = {Kind.LOGIN: Buckets(12, burst=10)}
    if per_minute:
        # A burst is well below the queue's length, so that one visitor cannot take all its places.
        burst = max(1, min(10, per_minute, config.max_queue // 2))
        buckets[Kind.SCORE] = Buckets(per_minute, burst)
        buckets[Kind.UPLOAD] = Buckets(per_minute / 6, burst)
        buckets[Kind.ASIDE] = Buckets(20 * per_minute, 20 * burst)
        buckets[Kind.NOTE] = Buckets(20 * per_minute, 20 * burst)
    return buckets

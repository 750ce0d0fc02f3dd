"""How the server ends: on a signal it lets nobody in, finishes what is in the queue within a bound, and closes.

Knows signals and a clock; what is busy and how to close is handed in.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_TICK_S = 0.1

# After the bound, those who still wait are told at once, and what is being computed may take this long to be ready.
_FAREWELL_S = 5.0

# What was computed last is still being fetched.
_FETCH_S = 2.0


class Stopping:
    """The state of an orderly end.

    Plain flags and short sleeps, because a signal's handler runs in the midst of the main thread, where a lock could be
    its own.

    Attributes:
        is_asked: no new work is taken on.
        is_overdue: work that has not begun is answered with words instead, and a batch hands over what it has.
        is_over: so is what was not ready even so.
    """

    def __init__(self, patience_s: float = 30.0) -> None:
        self.patience_s = patience_s
        self.is_asked = False
        self.is_overdue = False
        self.is_over = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)  # a second signal ends the process at once

    def listen(self) -> None:
        """Take signals from now on; before there is a page, so that none ends it out of order."""
        for each in _SIGNALS:
            signal.signal(each, self._ask)

    def wait(self, is_busy: Callable[[], bool], is_undelivered: Callable[[], bool], close: Callable[[], None]) -> None:
        """Block the main thread until a signal that `listen` took, then drain and close."""
        while not self.is_asked:
            time.sleep(_TICK_S)
        logger.info("Stopping: the queue is finished first, within %.0f s.", self.patience_s)
        began = time.monotonic()
        self._drain(is_busy, self.patience_s)
        self.is_overdue = True
        self._drain(is_busy, _FAREWELL_S)
        self.is_over = True
        self._drain(is_undelivered, _FETCH_S)
        close()
        logger.info("Stopped after %.1f s.", time.monotonic() - began)

    @staticmethod
    def _drain(is_busy: Callable[[], bool], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while is_busy() and time.monotonic() < deadline:
            time.sleep(_TICK_S)

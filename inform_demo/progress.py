"""How far loading has come: what is being done, how many bytes of how many, how long it will take.

Written by the thread that loads, read by everyone who waits. Knows the clock and the log; no model, no file, no page.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Literal

logger = logging.getLogger(__name__)

Phase = Literal["checking", "downloading", "loading", "warming_up"]

# How often the log says how far it is.
_LOG_EVERY_S = 15.0


@dataclass(frozen=True)
class LoadProgress:
    """A moment of loading.

    Attributes:
        bytes_done, bytes_total: of the phase; the total is 0 where nothing is counted.
        eta_s: seconds until the phase is done at the rate so far; None while there is no rate.
    """

    phase: Phase
    bytes_done: int = 0
    bytes_total: int = 0
    eta_s: float | None = None


class ProgressTracker:
    """The progress of one loading; safe to write and read from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begin("checking")

    def begin(self, phase: Phase, bytes_total: int = 0, bytes_done: int = 0) -> None:
        """A new phase, of which some may be done already."""
        with self._lock:
            self._phase, self._total = phase, bytes_total
            self._first = self._done = bytes_done
            self._began = self._logged = time.monotonic()

    def advance_to(self, bytes_done: int) -> None:
        """So much of the phase is done by now; from time to time the log is told."""
        with self._lock:
            self._done = max(0, min(bytes_done, self._total))
            is_due = time.monotonic() - self._logged >= _LOG_EVERY_S
            if is_due:
                self._logged = time.monotonic()
        if is_due:
            logger.info("%s", describe_progress(self.now()))

    def now(self) -> LoadProgress:
        """The progress at this moment; never blocks for long."""
        with self._lock:
            gained, left = self._done - self._first, self._total - self._done
            eta_s = (time.monotonic() - self._began) * left / gained if gained > 0 else None
            return LoadProgress(self._phase, self._done, self._total, eta_s)


def describe_progress(progress: LoadProgress) -> str:
    """A line for the log."""
    if not progress.bytes_total:
        return f"{progress.phase.replace('_', ' ').capitalize()} ..."
    left = "" if progress.eta_s is None else f", {progress.eta_s:,.0f} s left at this rate"
    done, total = progress.bytes_done / 1e9, progress.bytes_total / 1e9
    return f"{progress.phase.replace('_', ' ').capitalize()}: {done:,.2f} of {total:,.2f} GB{left}"

"""Files on their way through the model, each by a key that only the browser which gave it knows.

Gradio's own state ends with the page, and it loads the page anew whenever a lost connection is back: rows done must
outlive that. Knows tables and runs; knows no gradio and no scorer.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from inform_demo.batch import BatchRun
from inform_demo.batch_files import Table

# A table can be twenty megabytes.
MOST_JOBS = 16

# Nobody loses rows to another visitor before they have let them lie for this long.
IDLE_S = 900.0


@dataclass
class Job:
    """A file and how far it is; there is no run before one began."""

    name: str
    table: Table
    run: BatchRun | None = None
    used_at: float = 0.0


class Jobs:
    """The jobs used last, in memory; safe between threads."""

    def __init__(self, most: int = MOST_JOBS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, job: Job, instead: str | None = None) -> str | None:
        """Keep a job; its key, or None where every place is in use.

        Args:
            instead: the key of a job whose browser now has this one: it goes first where room is needed.
        """
        key = secrets.token_urlsafe(16)
        with self._lock:
            if left := self._jobs.get(instead or ""):
                left.used_at = float("-inf")
                self._jobs.move_to_end(instead or "", last=False)
            if len(self._jobs) >= self._most:
                oldest = next(iter(self._jobs))
                if self._clock() - self._jobs[oldest].used_at < IDLE_S:
                    return None
                del self._jobs[oldest]
            job.used_at = self._clock()
            self._jobs[key] = job
        return key

    def get(self, key: str | None) -> Job | None:
        """The job of a key, if it is still here."""
        with self._lock:
            job = self._jobs.get(key or "")
            if key and job:
                job.used_at = self._clock()
                self._jobs.move_to_end(key)
            return job

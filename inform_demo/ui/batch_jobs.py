"""Files on their way through the model, each by a key that only the browser which gave it knows.

Gradio's own state ends with the page, and it loads the page anew whenever a lost connection is back: rows done must
outlive that. Knows tables and runs; knows no gradio and no scorer.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from inform_demo.batch import BatchRun
from inform_demo.batch_files import Table

# A table can be twenty megabytes; whoever uses one keeps it here.
MOST_JOBS = 16


@dataclass
class Job:
    """A file and how far it is; there is no run before it began, nor after its columns got another meaning."""

    name: str
    table: Table
    run: BatchRun | None = None


class Jobs:
    """The jobs used last, in memory; safe between threads."""

    def __init__(self, most: int = MOST_JOBS) -> None:
        self._most = most
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, job: Job) -> str:
        """Keep a job, at the cost of the one that was not used for longest; its key."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._jobs[key] = job
            while len(self._jobs) > self._most:
                self._jobs.popitem(last=False)
        return key

    def get(self, key: str | None) -> Job | None:
        """The job of a key, if it is still here."""
        with self._lock:
            job = self._jobs.get(key or "")
            if key and job:
                self._jobs.move_to_end(key)
            return job

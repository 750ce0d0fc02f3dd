"""Files on their way through the model, each by a key that only the browser which gave it knows.

Gradio's own state ends with the page, and it loads the page anew whenever a lost connection is back: rows done must
outlive that. Knows tables and runs, and whose file an upload is by its folder; knows no gradio and no scorer.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inform_demo.batch import BatchRun
from inform_demo.batch_files import Table, read_table

# A table can be twenty megabytes, and two hundred unpacked.
MOST_JOBS = 16

# Where visitors are limited at all, one of them has as large a share of the places as of the queue.
MOST_JOBS_OF_ONE = MOST_JOBS // 4

# Nobody loses rows to another visitor before they have let them lie for this long.
IDLE_S = 900.0

# By the first half of its name a folder is a visitor's, by the second it is one upload's.
UPLOAD_FOLDER = re.compile(r"([0-9a-f]{32})-[0-9a-f]{32}")
_SECRET = secrets.token_bytes(32)


@dataclass
class Job:
    """A file and how far it is; there is no run before one began.

    Attributes:
        visitor: whose upload it was; "" where that is not known.
    """

    name: str
    table: Table
    run: BatchRun | None = None
    used_at: float = 0.0
    visitor: str = ""


def name_upload_folder(visitor: str) -> str:
    """A name for the folder of one upload, that tells its reader whose it is and that nobody can guess."""
    digest = hashlib.blake2b(visitor.encode("utf-8", "replace"), key=_SECRET, digest_size=16)
    return f"{digest.hexdigest()}-{secrets.token_hex(16)}"


def read_upload(path: str) -> Job | None:
    """The table of an upload, which is deleted whatever comes of it; None where it is gone already.

    Raises:
        DataError: it is no table that can be used.
    """
    file = Path(path)
    owned = UPLOAD_FOLDER.fullmatch(file.parent.name)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    finally:
        file.unlink(missing_ok=True)
        if owned:
            with suppress(OSError):
                file.parent.rmdir()
    return Job(file.name, read_table(data, file.name), visitor=owned[1] if owned else "")


class Jobs:
    """The jobs used last, in memory; safe between threads."""

    def __init__(
        self, most: int = MOST_JOBS, clock: Callable[[], float] = time.monotonic, most_of_one: int | None = None
    ) -> None:
        self._most = most
        self.most_of_one = most if most_of_one is None else most_of_one
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, job: Job, instead: str | None = None) -> str | None:
        """Keep a job; its key, or None where every place is in use, or every one that its visitor may have.

        Args:
            instead: the key of a job whose browser now has this one: it goes first where room is needed.
        """
        key = secrets.token_urlsafe(16)
        with self._lock:
            if not self._make_room(job.visitor, instead):
                return None
            if left := self._jobs.get(instead or ""):
                left.used_at = float("-inf")
                self._jobs.move_to_end(instead or "", last=False)
            job.used_at = self._clock()
            self._jobs[key] = job
        return key

    def _make_room(self, visitor: str, instead: str | None) -> bool:
        """Whether there is a place; where one is needed, a visitor's own job makes way before another's."""
        own = self._keys_of(visitor)
        if len(own) >= self.most_of_one:
            may_go = own
        elif len(self._jobs) >= self._most:
            may_go = [*own, *self._jobs]
        else:
            return True
        idle = (key for key in may_go if self._clock() - self._jobs[key].used_at >= IDLE_S)
        goes = instead if instead in may_go else next(idle, None)
        if goes is not None:
            del self._jobs[goes]
        return goes is not None

    def _keys_of(self, visitor: str) -> list[str]:
        return [key for key, job in self._jobs.items() if job.visitor == visitor]

    def has_share(self, visitor: str) -> bool:
        """Whether a visitor has as many places as one may."""
        with self._lock:
            return len(self._keys_of(visitor)) >= self.most_of_one

    def get(self, key: str | None) -> Job | None:
        """The job of a key, if it is still here."""
        with self._lock:
            job = self._jobs.get(key or "")
            if key and job:
                job.used_at = self._clock()
                self._jobs.move_to_end(key)
            return job

"""One thread that works for all, and a deadline for whoever waits for it.

Work that hangs cannot be stopped, only left: who waited gets an error, those who come later get one at once, and when
the work comes back after all, everything goes on. Knows threads and time; knows nothing of models or tensors.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from inform_demo.errors import ModelStuckError

Result = TypeVar("Result")

# How long the end of the program waits for work in progress, which would otherwise be cut off inside a library.
_LAST_WAIT_S = 5.0

_Jobs = queue.SimpleQueue[tuple[Callable[[], Any], "Future[Any]"] | None]


class Watchdog:
    """Runs one piece of work at a time, in the order of arrival, in a thread that no hanging caller shares.

    The thread stays from one piece to the next, because numeric libraries set up anew in each thread, and is a daemon,
    because a program whose model hangs must still be able to end.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._thread: threading.Thread | None = None
        self._jobs: _Jobs = queue.SimpleQueue()
        self._late: Future[Any] | None = None
        self._began = 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether work that nobody waits for any longer still has not come back."""
        return self._late is not None and not self._late.done()

    def run(self, work: Callable[[], Result], allowed_s: float) -> Result:
        """The result of `work`, or what it raised.

        Raises:
            TimeoutError: it took longer than `allowed_s`, without the time that it waited for its turn.
            ModelStuckError: earlier work has not come back.
        """
        with self._one_at_a_time:
            if self.is_stuck:
                raise ModelStuckError(time.monotonic() - self._began)
            self._began = time.monotonic()
            self._ensure_thread()
            future: Future[Result] = Future()
            self._jobs.put((work, future))
            try:
                return future.result(allowed_s)
            except BaseException:
                # Its deadline passed, or the caller was interrupted: either way it is still at work.
                self._late = None if future.done() else future
                raise

    def _ensure_thread(self) -> None:
        # A fork leaves threads behind: the child's is not alive, and needs a queue that no one else held.
        if self._thread is None or not self._thread.is_alive():
            self._jobs = queue.SimpleQueue()
            self._thread = threading.Thread(target=_work, args=(self._jobs,), name="score", daemon=True)
            self._thread.start()
            weakref.finalize(self, _stop, self._jobs, self._thread)


def _work(jobs: _Jobs) -> None:
    while (job := jobs.get()) is not None:
        work, future = job
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
            future.set_exception(error)
        del job, work, future  # or the last result would stay in memory until the next piece of work


def _stop(jobs: _Jobs, thread: threading.Thread) -> None:
    jobs.put(None)
    if thread is not threading.current_thread():
        thread.join(_LAST_WAIT_S)

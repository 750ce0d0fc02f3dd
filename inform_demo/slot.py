"""A place for a scorer that is still loading, so that the page is up before the model is.

Knows threads and states; knows nothing of models, tensors or pages.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from inform_demo.errors import InformError, LoadError, ModelNotReadyError
from inform_demo.progress import LoadProgress
from inform_demo.types import Scorer

logger = logging.getLogger(__name__)

SlotState = Literal["loading", "ready", "failed"]


@dataclass(frozen=True)
class SlotStatus:
    """A moment of a slot.

    Attributes:
        failure: why loading failed, where it did.
        elapsed_s: seconds since loading began, or that it took.
        progress: how far loading is; None where it is over, or nobody counts.
        is_stuck: the scorer is there, but a pass of it hangs.
    """

    state: SlotState
    failure: InformError | None
    elapsed_s: float
    progress: LoadProgress | None = None
    is_stuck: bool = False

    @property
    def readiness(self) -> str:
        """What to tell whoever sends visitors here: the state, or "stuck" while nobody could be answered."""
        return "stuck" if self.is_stuck else self.state

    @property
    def detail(self) -> str:
        """Why loading failed, in the error's own words; empty otherwise."""
        return str(self.failure or "")


class ScorerSlot:
    """Loads a scorer in a thread of its own and hands it out when it is ready.

    Args:
        load: builds the scorer; called once, and again by `retry` after a failure.
        progress: how far `load` is, from any thread and at once.
    """

    def __init__(self, load: Callable[[], Scorer], progress: Callable[[], LoadProgress] | None = None) -> None:
        self._load = load
        self._progress = progress
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._scorer: Scorer | None = None
        self._failure: InformError | None = None
        self._began = time.monotonic()
        self._took_s = 0.0
        self._start()

    def _start(self) -> None:
        self._began = time.monotonic()
        self._failure = None
        self._finished.clear()
        threading.Thread(target=self._run, name="load-scorer", daemon=True).start()

    def _run(self) -> None:
        try:
            self._scorer = self._load()
        except InformError as error:
            logger.error("The model could not be loaded: %s", error)  # noqa: TRY400 - a typed error says all
            self._failure = error
        except Exception:
            # Unforeseen errors may carry paths: they belong in the log, not on a public page.
            logger.exception("The model could not be loaded.")
            self._failure = LoadError("The model could not be loaded; the server's log says why.")
        self._took_s = time.monotonic() - self._began
        self._finished.set()

    def status(self) -> SlotStatus:
        """What to tell a visitor now; never blocks."""
        if not self._finished.is_set():
            progress = self._progress() if self._progress else None
            return SlotStatus("loading", None, time.monotonic() - self._began, progress)
        if self._scorer is None:
            return SlotStatus("failed", self._failure, self._took_s)
        return SlotStatus("ready", None, self._took_s, is_stuck=self._scorer.is_stuck)

    def get(self, timeout_s: float | None = None) -> Scorer:
        """The scorer, waiting for it while it loads.

        Raises:
            ModelNotReadyError: loading failed, or takes longer than `timeout_s`.
        """
        if not self._finished.wait(timeout_s):
            raise ModelNotReadyError(
                f"The model is still loading ({self.status().elapsed_s:.0f} s so far). Try again soon."
            )
        if self._scorer is None:
            raise ModelNotReadyError(str(self._failure)) from self._failure
        return self._scorer

    def retry(self) -> None:
        """Load again after a failure; otherwise nothing."""
        with self._lock:
            if self.status().state == "failed":
                self._start()

"""A slot hands its scorer out when it is there, says why when it is not, and can try again."""

from __future__ import annotations

import contextlib
import threading

import pytest

from inform_demo.errors import CheckpointError, ModelNotReadyError
from inform_demo.progress import ProgressTracker
from inform_demo.slot import ScorerSlot
from tests.doubles import FakeScorer


class Loader:
    """Loads when it is let, and fails as often as it is told to."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.n_calls = 0
        self.let = threading.Event()

    def __call__(self):
        self.n_calls += 1
        self.let.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        return FakeScorer()


def wait_until_finished(slot):
    with contextlib.suppress(ModelNotReadyError):
        slot.get(10)


def test_loading_then_ready():
    load = Loader()
    slot = ScorerSlot(load)
    assert slot.status().state == "loading"
    with pytest.raises(ModelNotReadyError, match="still loading"):
        slot.get(0.01)
    load.let.set()
    assert isinstance(slot.get(10), FakeScorer)
    assert slot.status().state == "ready"


def test_everyone_who_waits_gets_the_same_scorer():
    load = Loader()
    slot = ScorerSlot(load)
    got = []
    threads = [threading.Thread(target=lambda: got.append(slot.get(10))) for _ in range(5)]
    for thread in threads:
        thread.start()
    load.let.set()
    for thread in threads:
        thread.join()
    assert len(got) == 5
    assert len({id(scorer) for scorer in got}) == 1
    assert load.n_calls == 1


def test_a_typed_failure_is_told_and_a_retry_can_succeed():
    load = Loader(CheckpointError("no such folder"))
    load.let.set()
    slot = ScorerSlot(load)
    wait_until_finished(slot)
    assert (slot.status().state, slot.status().detail) == ("failed", "no such folder")
    with pytest.raises(ModelNotReadyError, match="no such folder"):
        slot.get(10)
    slot.retry()
    assert isinstance(slot.get(10), FakeScorer)
    assert slot.status().detail == ""


def test_an_unforeseen_failure_is_not_echoed(caplog):
    load = Loader(RuntimeError("/secret/path"))
    load.let.set()
    slot = ScorerSlot(load)
    wait_until_finished(slot)
    assert slot.status().state == "failed"
    assert "secret" not in slot.status().detail
    assert "/secret/path" in caplog.text


def test_a_retry_while_ready_does_nothing():
    load = Loader()
    load.let.set()
    slot = ScorerSlot(load)
    slot.get(10)
    slot.retry()
    assert load.n_calls == 1
    assert slot.status().state == "ready"


def test_progress_is_told_while_it_loads_and_not_after():
    load, tracker = Loader(CheckpointError("cut short")), ProgressTracker()
    slot = ScorerSlot(load, tracker.now)
    tracker.begin("downloading", 1000, 200)
    tracker.advance_to(400)
    progress = slot.status().progress
    assert (progress.phase, progress.bytes_done, progress.bytes_total) == ("downloading", 400, 1000)
    load.let.set()
    wait_until_finished(slot)
    assert (slot.status().state, slot.status().progress) == ("failed", None)
    slot.retry()
    slot.get(10)
    assert slot.status().progress is None


def test_a_scorer_that_hangs_is_there_and_not_ready_for_anyone():
    scorer = FakeScorer()
    slot = ScorerSlot(lambda: scorer)
    slot.get(10)
    for scorer.is_stuck, readiness in ((True, "stuck"), (False, "ready")):
        assert (slot.status().state, slot.status().readiness) == ("ready", readiness)


def test_without_a_tracker_nothing_is_counted():
    load = Loader()
    assert ScorerSlot(load).status().progress is None
    load.let.set()

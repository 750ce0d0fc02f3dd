"""Time left is what is left at the rate since the phase began; the log is told from time to time, not at every step."""

from __future__ import annotations

import logging

import pytest

from inform_demo import progress
from inform_demo.progress import LoadProgress, ProgressTracker, describe_progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_goes_by_what_was_done_in_this_run(clock):
    tracker = ProgressTracker()
    assert tracker.now() == LoadProgress("checking")
    tracker.begin("downloading", bytes_total=1000, bytes_done=400)
    assert tracker.now() == LoadProgress("downloading", 400, 1000, None)
    clock[0] += 10
    tracker.advance_to(500)  # 100 bytes in 10 s; 500 are left
    assert tracker.now() == LoadProgress("downloading", 500, 1000, pytest.approx(50))
    tracker.advance_to(1000)
    assert tracker.now().eta_s == 0
    tracker.begin("loading", 70)
    assert tracker.now() == LoadProgress("loading", 0, 70, None)


@pytest.mark.parametrize(("given", "told"), [(-5, 0), (50, 50), (5000, 1000)])
def test_no_more_is_done_than_there_is(given, told):
    tracker = ProgressTracker()
    tracker.begin("loading", 1000)
    tracker.advance_to(given)
    assert tracker.now().bytes_done == told


def test_the_log_is_told_from_time_to_time(clock, caplog):
    caplog.set_level(logging.INFO, "inform_demo")
    tracker = ProgressTracker()
    tracker.begin("downloading", 139_000_000_000)
    for _ in range(120):
        clock[0] += 0.5
        tracker.advance_to(int((clock[0] - 100) * 1e9))
    assert len(caplog.messages) == 4
    assert caplog.messages[-1] == "Downloading: 60.00 of 139.00 GB, 79 s left at this rate"


def test_what_is_not_counted_has_no_numbers():
    assert describe_progress(LoadProgress("warming_up")) == "Warming up ..."

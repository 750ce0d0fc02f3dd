"""The watchdog alone: whose exceptions it passes on, and when its thread begins anew and ends."""

from __future__ import annotations

import threading
import weakref

import pytest

from inform_demo.watchdog import Watchdog


def test_the_watchdog_passes_on_what_is_raised_and_keeps_its_thread():
    watchdog = Watchdog()
    first = watchdog.run(threading.current_thread, 60)
    with pytest.raises(ZeroDivisionError):
        watchdog.run(lambda: 1 / 0, 60)
    assert not watchdog.is_stuck
    assert watchdog.run(threading.current_thread, 60) is first
    assert first is not threading.current_thread()


def test_the_watchdog_starts_anew_where_its_thread_is_gone_as_after_a_fork():
    watchdog = Watchdog()
    first = watchdog.run(threading.current_thread, 60)
    watchdog._jobs.put(None)
    first.join(60)
    assert watchdog.run(threading.current_thread, 60) is not first


def test_the_watchdog_keeps_nothing_alive_and_its_thread_ends_with_it():
    class Thing:
        pass

    watchdog = Watchdog()
    thing = Thing()
    gone = weakref.ref(thing)
    assert watchdog.run(lambda it=thing: it is not None, 60)
    thread = watchdog.run(threading.current_thread, 60)
    del thing
    assert gone() is None
    del watchdog
    thread.join(60)
    assert not thread.is_alive()

"""How the server ends: in order on a signal, at once on a second one, and harmlessly when it is killed."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.web.stopping import Stopping
from tests.doubles import FakeScorer
from tests.web.conftest import answer, ask, get


def wait_until_it_computes(process):
    for line in process.stdout:
        if line == "it computes\n":
            return
    pytest.fail("The server ended before it computed.")


def wait_until_it_stops(url):
    deadline = time.monotonic() + 60
    while get(f"{url}readyz").json()["state"] != "stopping":
        assert time.monotonic() < deadline


def test_sigterm_finishes_what_is_running_and_waiting_and_lets_nobody_in(start):
    process, url = start(FAKE_DELAY_S="600", INFORM_SHUTDOWN_S="300")
    asked = [ask(url) for _ in range(3)]
    wait_until_it_computes(process)
    process.send_signal(signal.SIGTERM)
    wait_until_it_stops(url)
    late = ask(url)
    assert late.status_code == 503
    assert int(late.headers["retry-after"]) > 0
    assert "Your text is kept" in late.json()["detail"]
    assert get(f"{url}healthz").status_code == 200
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(answer, url, each) for each in asked]
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert all("event: complete" in each.result(timeout=120) for each in answers)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ended in order" in out


def test_after_the_bound_those_who_wait_are_answered_with_words():
    scorer, stopping = FakeScorer(delay_s=600), Stopping()
    demo = build_demo(ScorerSlot(lambda: scorer), ServeConfig())
    url = launch(demo, ServeConfig(), stopping, prevent_thread_lock=True, quiet=True)
    try:
        asked = [ask(url) for _ in range(3)]
        assert scorer.started.wait(60)
        stopping.is_asked = stopping.is_overdue = True
        scorer.released.set()
        texts = [answer(url, each) for each in asked]
    finally:
        demo.close(verbose=False)
    assert sum("event: complete" in text for text in texts) == 1
    assert sum("event: error" in text and "restarted" in text for text in texts) == 2


def test_the_end_comes_after_the_queue_and_what_is_being_fetched(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    stopping = Stopping(0.0)
    stopping.is_asked = True
    seen = []

    def is_busy():
        seen.append("overdue" if stopping.is_overdue else "in time")
        return not stopping.is_overdue

    stopping.wait(is_busy, lambda: bool(seen.append("fetched")), lambda: seen.append("closed"))
    assert seen == ["in time", "overdue", "fetched", "closed"]


def test_a_second_signal_ends_it_at_once(start):
    process, url = start(FAKE_DELAY_S="600", INFORM_SHUTDOWN_S="300")
    ask(url)
    wait_until_it_computes(process)
    process.send_signal(signal.SIGTERM)
    wait_until_it_stops(url)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM


def test_a_killed_server_comes_back_on_its_port_and_answers(start):
    process, url = start(FAKE_DELAY_S="600")
    ask(url)
    process.kill()
    process.wait()
    _, again = start(port=int(url.split(":")[-1].strip("/")))
    assert again == url
    assert "event: complete" in answer(url, ask(url))

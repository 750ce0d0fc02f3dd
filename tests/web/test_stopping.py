"""How the server ends: in order on a signal, at once on a second one, and harmlessly when it is killed."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.web.conftest import answer, ask


def test_sigterm_finishes_what_is_running_and_waiting_and_lets_nobody_in(start):
    process, url = start(FAKE_DELAY_S="1.0")
    asked = [ask(url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(answer, url, each) for each in asked]
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        late = ask(url)
        assert late.status_code == 503
        assert int(late.headers["retry-after"]) > 0
        assert "Your text is kept" in late.json()["detail"]
        assert httpx.get(f"{url}readyz").json()["state"] == "stopping"
        assert httpx.get(f"{url}healthz").status_code == 200
        texts = [each.result(timeout=30) for each in answers]
    assert all("event: complete" in text for text in texts)
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert "ended in order" in out


def test_after_the_bound_those_who_wait_are_answered_with_words(start):
    process, url = start(FAKE_DELAY_S="2.5", INFORM_SHUTDOWN_S="0.5")
    asked = [ask(url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(answer, url, each) for each in asked]
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        texts = [each.result(timeout=30) for each in answers]
    assert sum("event: complete" in text for text in texts) == 1
    assert sum("event: error" in text and "restarted" in text for text in texts) == 2
    process.communicate(timeout=15)
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(start):
    process, url = start(FAKE_DELAY_S="60")
    ask(url)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == -signal.SIGTERM


def test_a_killed_server_comes_back_on_its_port_and_answers(start):
    process, url = start(FAKE_DELAY_S="60")
    ask(url)
    process.kill()
    process.wait()
    _, again = start(port=int(url.split(":")[-1].strip("/")))
    assert again == url
    assert "event: complete" in answer(url, ask(url))

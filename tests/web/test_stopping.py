"""How the server ends: in order on a signal, at once on a second one, and harmlessly when it is killed."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from inform_demo.ui.texts import LANGUAGES
from inform_demo.web import stopping
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


def test_an_answer_that_outlasts_the_bound_is_given_up_in_words_and_the_others_at_once(start):
    process, url = start(FAKE_DELAY_S="60", INFORM_SHUTDOWN_S="0.5")
    asked = [ask(url, headers={"Accept-Language": language}) for language in ("en", "en", "zh")]
    began = time.monotonic()

    def told(each):
        return answer(url, each), time.monotonic() - began

    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(told, each) for each in asked]
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        (running, running_s), (waiting, waiting_s), (chinese, chinese_s) = (each.result(timeout=30) for each in answers)
    assert all("event: error" in text for text in (running, waiting, chinese))
    assert "restarted" in running
    assert "restarted" in waiting
    assert LANGUAGES["zh"].page.stopping.format(seconds=60) in json.loads(chinese.partition("data: ")[2])["error"]
    assert max(waiting_s, chinese_s) < 0.8 + stopping._FAREWELL_S < running_s
    assert process.wait(timeout=15) == 0


def test_a_long_batch_hands_over_the_pairs_that_it_has(start):
    process, url = start(FAKE_DELAY_S="0.5", INFORM_SHUTDOWN_S="1")
    pairs = [{"prompt": f"p{i}", "response_a": "one two", "response_b": "one"} for i in range(200)]
    batch = httpx.post(f"{url}gradio_api/call/batch", json={"data": [pairs]}).json()["event_id"]
    waiting = ask(url)
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(answer, url, waiting)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        text = httpx.get(f"{url}gradio_api/call/batch/{batch}", timeout=30).text
        assert "restarted" in later.result(timeout=30)
    assert "event: complete" in text
    (result,) = json.loads(text.partition("data: ")[2])
    assert [row["prompt"] for row in result["rows"]] == [f"p{i}" for i in range(200)]
    scored = [row for row in result["rows"] if not row["error"]]
    assert 2 <= len(scored) < 20
    assert result["rows"][: len(scored)] == scored
    assert all("restarted" in row["error"] for row in result["rows"][len(scored) :])
    assert (result["summary"]["n_scored"], result["summary"]["n_failed"]) == (len(scored), 200 - len(scored))
    assert process.wait(timeout=15) == 0


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

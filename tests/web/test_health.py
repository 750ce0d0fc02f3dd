"""Health, readiness, metrics and logs, as whoever runs the server sees them."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from inform_demo.batch_files import MOST_BYTES
from inform_demo.config import ServeConfig
from inform_demo.errors import CheckpointError, ConfigError, ModelNotReadyError, NonFiniteRewardError
from inform_demo.scoring import RewardScorer
from inform_demo.slot import ScorerSlot
from inform_demo.types import Conversation, Message, build_conversations
from inform_demo.ui import handlers, status_view
from inform_demo.ui.texts import LANGUAGES
from inform_demo.web import bodies, metrics
from inform_demo.web.logs import JsonFormatter, TextFormatter, new_request_id
from inform_demo.web.metering import MeteredScorer
from tests.doubles import FakeScorer
from tests.web.conftest import ROOT, answer, ask


def test_alive_at_once_and_ready_when_the_model_is_there(serve):
    loaded = threading.Event()

    def load():
        assert loaded.wait(30)
        return FakeScorer()

    slot = ScorerSlot(load)
    url = serve(slot)
    assert httpx.get(f"{url}healthz").json() == {"status": "alive"}
    waiting = httpx.get(f"{url}readyz")
    assert (waiting.status_code, waiting.json()["state"]) == (503, "loading")
    loaded.set()
    slot.get(10)
    ready = httpx.get(f"{url}readyz")
    assert (ready.status_code, ready.json()["state"]) == (200, "ready")


def test_a_port_that_is_taken_is_told_by_the_setting_that_names_it(serve):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"{port}.*--port or INFORM_PORT"):
            serve(config=ServeConfig(port=port))


def test_the_entry_of_the_space_tells_a_bad_setting_in_words():
    command, environment = [sys.executable, "app.py"], {**os.environ, "INFORM_PORT": "abc"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("inform-demo: ")
    assert "INFORM_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_machine_too_slow_to_answer_itself_at_once_still_serves(serve, monkeypatch):
    monkeypatch.setattr("gradio.networking.url_ok", lambda url: False)
    assert httpx.get(f"{serve()}healthz").status_code == 200


def test_a_model_that_cannot_be_loaded_is_never_ready_and_says_why(serve):
    def load():
        raise CheckpointError("config.json is missing.")

    url = serve(ScorerSlot(load))
    response = httpx.get(f"{url}readyz")
    assert (response.status_code, response.json()["detail"]) == (503, "config.json is missing.")
    assert httpx.get(f"{url}healthz").status_code == 200


def test_where_on_the_server_a_model_lies_is_for_the_log_only(serve, caplog):
    def load():
        raise CheckpointError("/srv/models/x: config.json is missing, or ~/models/y/z.json; see https://hf.co/a/b.")

    slot = ScorerSlot(load)
    url = serve(slot)
    with pytest.raises(ModelNotReadyError):
        slot.get(10)
    words = "x: config.json is missing, or z.json; see https://hf.co/a/b."
    assert httpx.get(f"{url}readyz").json()["detail"] == words
    for language, texts in LANGUAGES.items():
        told = status_view.render_status(texts, handlers.model_status(slot, "m"))
        assert "config.json is missing" in told, language
        assert "/srv" not in told
    assert words in json.loads(answer(url, ask(url)).partition("data: ")[2])["error"]
    assert "/srv/models/x" in caplog.text


def test_a_pass_that_hangs_is_not_ready_until_it_comes_back(serve, embedded_scorer):
    parts = embedded_scorer._model, embedded_scorer._chat, embedded_scorer.report
    scorer = RewardScorer(*parts, forward_timeout_s=0.1)
    url = serve(MeteredScorer(scorer), ServeConfig(metrics=True))

    def readiness():
        response = httpx.get(f"{url}readyz")
        return response.status_code, response.json()["state"], read_metrics(url)["inform_ready",]

    assert readiness() == (200, "ready", 1)
    released = threading.Event()
    hook = scorer._model.score.register_forward_pre_hook(lambda *_: released.wait(60) and None)
    try:
        assert "event: error" in answer(url, ask(url))
        assert readiness() == (503, "stuck", 0)
        assert httpx.get(f"{url}healthz").json() == {"status": "alive"}
    finally:
        released.set()
        hook.remove()
    scorer._runner._watchdog._late.result(60)
    assert readiness() == (200, "ready", 1)


def read_metrics(url):
    text = httpx.get(f"{url}metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "le" not in sample.labels
    }


def test_metrics_count_requests_waits_faults_and_the_queue(serve):
    scorer = FakeScorer()
    url = serve(scorer, ServeConfig(metrics=True))
    before = read_metrics(url)
    answer(url, ask(url))
    answer(url, ask(url))
    scorer.error = NonFiniteRewardError("NaN")
    answer(url, ask(url))
    httpx.get(f"{url}gradio_api/proxy=x")
    pairs = [{"prompt": "p", "response_a": 5, "response_b": "b"}, {"prompt": "p", "response_a": "", "response_b": "b"}]
    batch = httpx.post(f"{url}gradio_api/call/batch", json={"data": [pairs]})
    assert "complete" in httpx.get(f"{url}gradio_api/call/batch/{batch.json()['event_id']}", timeout=60).text
    after = read_metrics(url)

    def grown(*name):
        return after[name] - before.get(name, 0)

    assert grown("inform_requests_total", "compare") == 3
    assert grown("inform_wait_seconds_count") == 4  # the batch is one
    assert grown("inform_handled_seconds_count", "compare") == 3
    assert grown("inform_faults_total", "NonFiniteRewardError") == 1
    assert grown("inform_faults_total", "InputError") == 2  # the rows of a batch
    assert grown("inform_refused_total", "route") == 1
    assert (after["inform_queue_length",], after["inform_ready",]) == (0, 1)
    scorer.error, scorer.delay_s = None, 30
    asked = [ask(url) for _ in range(3)]
    assert scorer.started.wait(10)
    assert read_metrics(url)["inform_queue_length",] == 2
    scorer.released.set()
    assert all("complete" in answer(url, each) for each in asked)


def test_metrics_count_what_the_page_behind_the_gate_refuses(serve, monkeypatch):
    url = serve(config=ServeConfig(metrics=True))
    before = read_metrics(url)
    monkeypatch.setattr(bodies, "PAUSE_S", 0.3)
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    host, port = url.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as stalled:
        stalled.sendall(f"{head}Content-Length: 99\r\n\r\n--b\r\n".encode())
        assert stalled.recv(65536).startswith(b"HTTP/1.1 408")
    monkeypatch.undo()
    statuses = [
        httpx.post(f"{url}gradio_api/upload", files={"files": ("page.html", b"x")}).status_code,
        httpx.post(f"{url}gradio_api/upload", files={"files": ("big.csv", b"x" * (MOST_BYTES + 1))}).status_code,
        httpx.post(f"{url}gradio_api/call/nothing", json={"data": []}).status_code,
    ]
    assert statuses == [415, 413, 400]
    after = read_metrics(url)
    for reason, n in {"file_type": 1, "body": 2, "unfit": 1}.items():
        assert after["inform_refused_total", reason] - before.get(("inform_refused_total", reason), 0) == n, reason


def test_metrics_are_nobodys_unless_they_are_switched_on(serve):
    assert httpx.get(f"{serve()}metrics").status_code == 404


def test_the_meter_counts_shared_tokens_once_and_changes_no_reward():
    scorer = FakeScorer()
    metered = MeteredScorer(scorer)
    a, b = build_conversations("a b c", ["one", "one two"])
    other = Conversation((Message("user", "x"), Message("assistant", "one")))
    # Each message is its words and one more: the prompt 4, the answers 2 and 3; the other conversation 2 + 2.
    for call, n_tokens in (
        (lambda s: s.compare_conversations(a, b), 9),
        (lambda s: s.trace_conversations(a, b), 9),
        (lambda s: s.compare("a b c", "one", "one two"), 9),
        (lambda s: s.score([a, b, other]), 13),
    ):
        began, n_timed = metrics.TOKENS._value.get(), metrics.COMPUTE._sum.get()
        assert call(metered) == call(scorer)
        assert metrics.TOKENS._value.get() - began == n_tokens
        assert metrics.COMPUTE._sum.get() > n_timed
    assert metered.count_tokens(a) == 6
    assert metered.report == scorer.report


def test_the_logs_name_the_request_and_hold_no_text_of_a_visitor(serve, caplog):
    caplog.set_level(logging.INFO, logger="inform_demo")  # the command line, run by other tests, sets it there
    url = serve()
    asked = ask(url, "a secret question", "secret one", "secret two", headers={"X-Request-ID": "from-the-proxy-7"})
    assert asked.headers["x-request-id"] == "from-the-proxy-7"
    assert "complete" in answer(url, asked)
    (scored,) = [record for record in caplog.records if record.message == "scored"]
    assert scored.event == "compare"
    assert scored.took_s >= 0
    assert "secret" not in repr([vars(record) for record in caplog.records])
    events = [record for record in caplog.records if getattr(record, "path", "").endswith("/call/compare")]
    assert [record.status for record in events] == [200]


def test_texts_are_logged_where_that_was_asked_for(serve, caplog):
    caplog.set_level(logging.INFO, logger="inform_demo")  # the command line, run by other tests, sets it there
    url = serve(config=ServeConfig(log_texts=True))
    answer(url, ask(url, "which?", "this", "that"))
    (scored,) = [record for record in caplog.records if record.message == "scored"]
    assert scored.texts[:3] == ["which?", "this", "that"]
    caplog.clear()
    pairs = [{"prompt": "which?", "response_a": "this", "response_b": "that"}]
    asked = httpx.post(f"{url}gradio_api/call/batch", json={"data": [pairs]})
    httpx.get(f"{url}gradio_api/call/batch/{asked.json()['event_id']}")
    (scored,) = [record for record in caplog.records if record.message == "scored"]
    assert scored.texts == [pairs]


@pytest.mark.parametrize("log_texts", [False, True])
def test_the_message_of_a_fault_which_may_quote_a_text_is_logged_as_texts_are(serve, caplog, log_texts):
    url = serve(FakeScorer(error=RuntimeError("a secret text")), ServeConfig(log_texts=log_texts))
    assert "event: error" in answer(url, ask(url))
    assert ("a secret text" in caplog.text) is log_texts


def test_json_logs_are_one_object_a_line_with_the_request(start):
    process, url = start(INFORM_LOG_FORMAT="json", INFORM_RATE_LIMIT="1")
    asked = ask(url, headers={"X-Request-ID": "abc-1"})
    answer(url, asked)
    assert ask(url, headers={"X-Request-ID": "two words"}).status_code == 429
    process.terminate()
    out, _ = process.communicate(timeout=30)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    scored = next(line for line in lines if line["message"] == "scored")
    assert scored["request_id"] == "abc-1"
    refused = next(line for line in lines if line.get("status") == 429)
    assert re.fullmatch(r"[0-9a-f]{16}", refused["request_id"])
    assert {"time", "level", "logger"} <= scored.keys()


@pytest.mark.parametrize("given", [None, "", "a" * 65, "two words", "line\nbreak", '"'])
def test_a_request_id_that_could_break_a_log_is_replaced(given):
    assert re.fullmatch(r"[0-9a-f]{16}", new_request_id(given))


def test_a_line_holds_what_was_given_and_the_fault():
    try:
        int("x")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "a\nb", "levelname": "INFO", "name": "n", "took_s": 1.5})
        record.exc_info = (type(error), error, None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["took_s"] == 1.5
    assert "ValueError" in json.loads(line)["exception"]
    assert "took_s=1.5" in TextFormatter("%(message)s").format(record)

"""What one client can take from all others: memory, connections, the queue, and the lines of the log."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from contextlib import ExitStack

import httpx
import pytest

from inform_demo import json_bounds
from inform_demo.config import ServeConfig
from inform_demo.ui.texts import CHINESE, ENGLISH
from inform_demo.web import gate, patience
from inform_demo.web.bodies import MOST_DEPTH, MOST_PARTS, MOST_SMALL_BYTES, BodyError, json_depth
from inform_demo.web.calls import count_comparisons
from inform_demo.web.gate import Gate
from inform_demo.web.logs import TextFormatter
from inform_demo.web.patience import MOST_HEAD_BYTES
from inform_demo.web.routes import Kind, kind_of
from tests.web.conftest import ask
from tests.web.test_access import gate as guarded_echo
from tests.web.test_access import gate_door

PUBLIC = ServeConfig(host="0.0.0.0")


@pytest.mark.parametrize("path", ["gradio_api/cancel", "gradio_api/reset", "gradio_api/startup-events", "", "login"])
def test_who_asks_for_nothing_is_read_little_and_not_without_end(path):
    client = guarded_echo(ServeConfig())
    fits = b" " * MOST_SMALL_BYTES
    assert client.post(f"/{path}", content=fits).status_code == 200
    assert client.post(f"/{path}", content=fits + b" ").status_code == 413
    if path == "login":
        return  # has a bound of its own
    assert kind_of("POST", f"/{path}") is Kind.NOTE
    public = guarded_echo(PUBLIC)
    statuses = [public.post(f"/{path}").status_code for _ in range(400)]
    assert statuses[:100] == [200] * 100
    assert statuses.count(429) > 50


class CountingPattern:
    """What looks at each part of a body, and how many it looked at."""

    def __init__(self, pattern):
        self.pattern, self.n_seen = pattern, 0

    def finditer(self, data):
        for self.n_seen, match in enumerate(self.pattern.finditer(data), 1):  # noqa: B020
            yield match


@pytest.mark.parametrize(
    ("data", "depth", "most_seen"),
    [
        (b"[" * 10_000_000, MOST_DEPTH + 1, MOST_DEPTH + 1),
        (b"[]" * 5_000_000, None, MOST_PARTS + 1),
        (b'"",' * 3_000_000, None, MOST_PARTS + 1),
        (b'"' + b"[\\n," * 2_000_000 + b'"', 0, 1),
        (b"1" * 10_000_000, 0, 0),
    ],
    ids=["deep", "brackets", "texts", "one text", "number"],
)
def test_a_large_body_is_looked_at_no_further_than_its_bounds(monkeypatch, data, depth, most_seen):
    seen = CountingPattern(json_bounds._PART)
    monkeypatch.setattr(json_bounds, "_PART", seen)
    if depth is None:
        with pytest.raises(BodyError, match="200,000") as caught:
            json_depth(data)
        assert caught.value.status_code == 400
    else:
        assert json_depth(data) == depth
    assert seen.n_seen <= most_seen


def test_json_that_would_be_parsed_as_another_text_than_was_measured_is_refused():
    """Python's parser takes UTF-16, in which half of "∀" is a quotation mark that hides all brackets after it."""
    body = ('["∀",' + "[" * 5000).encode("utf-16-le")
    refused = guarded_echo(ServeConfig()).post("/gradio_api/call/compare", content=body)
    assert (refused.status_code, refused.json()["detail"]) == (400, "Expected JSON in UTF-8.")


def test_a_batch_of_long_conversations_is_within_the_bounds():
    turns = [{"role": "user", "content": 'say: "[{'}, {"role": "assistant", "content": "x\\, y"}] * 30
    pairs = [{"prompt": turns, "response_a": "a, b", "response_b": "b", "label": "a"}] * 200
    body = json.dumps({"data": [pairs]}).encode()
    assert json_depth(body) == 6
    assert guarded_echo(PUBLIC).post("/gradio_api/call/batch", content=body).status_code == 200


def request_of(host, path="/gradio_api/call/compare", method="POST", headers=()):
    return {
        "type": "http", "method": method, "path": path, "headers": list(headers), "client": (host, 1),
    }  # fmt: skip


class Stalled:
    """Requests through a gate, each of which has sent a part of its body, or none, and gets no answer until `end`."""

    def __init__(self, config, door=None):
        self.ended = asyncio.Event()
        self.statuses, self.retries, self.details = [], [], []
        self.guarded = Gate(self.app, door or gate_door(config))
        self.tasks = []

    async def app(self, scope, receive, send):
        await self.ended.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def come(self, scope, piece=b""):
        pieces = [{"type": "http.request", "body": piece, "more_body": True}]

        async def receive():
            if pieces:
                return pieces.pop()
            await self.ended.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
                self.retries.append(dict(message["headers"]).get(b"retry-after"))
            else:
                self.details.append(message["body"].decode())

        self.tasks.append(asyncio.create_task(self.guarded(scope, receive, send)))
        for _ in range(20):
            await asyncio.sleep(0)

    async def end(self):
        self.ended.set()
        await asyncio.gather(*self.tasks)
        assert (self.guarded._open.total, self.guarded._read_bytes.total, self.guarded._joining.total) == (0, 0, 0)


def test_bodies_that_are_read_take_bounded_memory_and_one_visitors_a_quarter_of_it(monkeypatch):
    monkeypatch.setattr(gate, "MOST_READ_BYTES", 1000)

    async def fill(config, visitors, n_bytes):
        crowd = Stalled(config)
        for visitor in visitors:
            await crowd.come(request_of(visitor), b" " * n_bytes)
        refused = list(zip(crowd.statuses, crowd.retries, crowd.details, strict=True))
        await crowd.end()
        return refused

    words = ENGLISH.page.bodies_full.format(seconds=5)
    ((status, retry_after, detail),) = asyncio.run(fill(ServeConfig(max_queue=100), ["a"] * 5 + ["b"], 190))
    assert (status, retry_after, json.loads(detail)["detail"]) == (503, b"5", words)
    assert len(asyncio.run(fill(PUBLIC, ["a"] * 2, 190))) == 1
    assert asyncio.run(fill(PUBLIC, "abcde", 190)) == []
    assert len(asyncio.run(fill(PUBLIC, "abcdef", 190))) == 1


def test_one_visitor_has_so_many_requests_open_and_others_have_theirs(monkeypatch):
    assert 2 * gate.MOST_REQUESTS_OF_ONE <= patience.MOST_CONNECTIONS // 4
    monkeypatch.setattr(gate, "MOST_REQUESTS_OF_ONE", 3)

    async def crowd_of(config):
        crowd = Stalled(config)
        for visitor in ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "198.51.100.1"]:
            heartbeat = request_of(visitor, "/gradio_api/heartbeat/x", "GET", [(b"accept-language", b"zh")])
            await crowd.come(heartbeat)
        refused = list(zip(crowd.statuses, crowd.retries, crowd.details, strict=True))
        await crowd.end()
        assert crowd.statuses.count(200) == 5 - len(refused)
        return refused

    ((status, retry_after, detail),) = asyncio.run(crowd_of(PUBLIC))
    words = CHINESE.page.too_many_open.format(count=3, seconds=5)
    assert (status, retry_after, json.loads(detail)["detail"]) == (429, b"5", words)
    assert asyncio.run(crowd_of(ServeConfig())) == []


def connect(url):
    host, port = url.removeprefix("http://").strip("/").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def is_answered(connection):
    """The status of the answer to a request; None where the connection was closed unheard."""
    try:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        found = re.match(rb"HTTP/1.1 (\d+)", connection.recv(65536))
    except ConnectionError:
        return None
    return int(found[1]) if found else None


def test_all_connections_together_are_bounded(serve, monkeypatch):
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 4)
    url = serve()
    with ExitStack() as opened:
        held = [opened.enter_context(connect(url)) for _ in range(3)]
        assert is_answered(held[0]) == 200
        fourth = opened.enter_context(connect(url))
        assert is_answered(fourth) == 503
        fourth.close()
        deadline = time.monotonic() + 10
        while is_answered(held[1]) != 200:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("config", "is_bounded"),
    [
        (ServeConfig(rate_limit=60), True),
        (ServeConfig(rate_limit=60, trusted_proxies="192.0.2.1, 127.0.0.0/8"), False),
        (ServeConfig(), False),
    ],
    ids=["public", "proxy", "private"],
)
def test_one_address_holds_so_many_connections_unless_many_visitors_come_by_it(serve, monkeypatch, config, is_bounded):
    assert 2 * patience.MOST_CONNECTIONS_OF_ONE <= patience.MOST_CONNECTIONS
    url = serve(config=config)
    time.sleep(0.2)  # connections of the start, such as Gradio's own, are let go
    monkeypatch.setattr(patience, "MOST_CONNECTIONS_OF_ONE", 3)
    with ExitStack() as opened:
        answers = [is_answered(opened.enter_context(connect(url))) for _ in range(4)]
    assert answers == [200, 200, 200, None if is_bounded else 200]


def test_a_head_is_bounded_whether_it_comes_whole_or_not(serve):
    url = serve()
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: "
    for filler, is_whole, end, status in (
        (MOST_HEAD_BYTES - 1000, True, b"\r\n\r\n", b"200"),
        (MOST_HEAD_BYTES - 1000, False, b"\r\n\r\n", b"200"),  # h11's own bound for such a head is half of ours
        (100_000, True, b"\r\n\r\n", b"431"),
        (MOST_HEAD_BYTES + 1000, False, b"", b"400"),
    ):
        with connect(url) as connection:
            began = time.monotonic()
            connection.sendall(head + b"x" * filler + end * is_whole)
            if not is_whole:
                time.sleep(0.3)  # so that what is there so far is looked at
                connection.sendall(end)
            received = connection.recv(65536)
            assert received.split(b" ")[1:2] == [status], received[:200]
            assert time.monotonic() - began < patience.HEAD_S - 3


def test_an_address_is_part_of_the_head():
    answers = [guarded_echo(ServeConfig()).get(f"/?{'x' * n}").status_code for n in (10_000, MOST_HEAD_BYTES)]
    assert answers == [200, 431]


def test_a_queue_that_fills_up_while_a_request_is_read_says_when_to_come_back():
    config = ServeConfig(max_queue=3)
    n_waiting = [0]
    door = gate_door(config)
    door = type(door)(**{**vars(door), "queue_length": lambda: n_waiting[0]})

    async def come_late():
        crowd = Stalled(config, door)
        await crowd.come(request_of("a", "/gradio_api/queue/join"), b"{")
        n_waiting[0] = 3
        await crowd.end()
        return crowd

    crowd = asyncio.run(come_late())
    assert (crowd.statuses, crowd.retries) == ([503], [b"13"])
    assert json.loads(crowd.details[0])["detail"] == ENGLISH.page.queue_full.format(count=3, seconds=13)


def test_even_gradios_own_refusal_says_when_to_come_back(serve, monkeypatch):
    """Between the gate's look at the queue and Gradio's there is a moment in which others come."""
    monkeypatch.setattr(Gate, "_check_place", lambda *_: None)
    monkeypatch.setattr("gradio.queueing.EventQueue.__len__", lambda self: 10**6, raising=False)
    monkeypatch.setattr("gradio.queueing.Queue.__len__", lambda self: 10**6, raising=False)
    refused = ask(serve())
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1


TEXTS = ["p", "s", *["an answer"] * 16]


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        ({"data": ["p", ["a"] * 16, ""]}, 8),
        ({"prompt": "p", "responses": ["a"] * 7}, 4),
        ({"data": [16, *TEXTS], "fn_index": 3, "session_hash": "s"}, 8),
        ({"data": [2, *TEXTS], "fn_index": 3}, 1),
        ({"data": [5.0, *TEXTS], "fn_index": 3}, 3),
        ({"data": [1e9, *TEXTS], "fn_index": 3}, 8),
        ({"data": [float("inf"), *TEXTS], "fn_index": 3}, 8),
        ({"data": [float("nan"), *TEXTS], "fn_index": 3}, 1),
        ({"data": [-3, *TEXTS], "fn_index": 3}, 1),
        ({"data": [5, *TEXTS], "fn_index": 4}, 1),  # another function of the page, whose tie band comes first
        ({"data": [5, *TEXTS]}, 1),
        ({"data": ["p", "a", "b", "", None]}, 1),
        ({"data": ["key", "prompt", "a", "b", ""]}, 1),
        ({"data": [True]}, 1),
        ({"data": []}, 1),
        ({"data": [[{}] * 60_000]}, 200),  # refused, and not at the price of hours
        ({"prompt": "p", "responses": ["a"] * 90_000}, 8),
    ],
)
def test_a_ranking_costs_a_comparison_for_every_two_answers(call, cost):
    assert count_comparisons(call, ranking=3) == cost


def test_the_pages_own_calls_cost_what_they_compute(serve):
    """By the numbers of its functions, as the page sends them; a comparison begins with a number, too."""
    url = serve(config=ServeConfig(rate_limit=10, max_queue=64))
    functions = {each["api_name"]: each for each in httpx.get(f"{url}config").json()["dependencies"]}
    compare, rank = functions["show_verdict"], functions["show_ranking"]

    def join(function, first):
        data = [first, *["text"] * (len(function["inputs"]) - 1)]
        call = {"data": data, "fn_index": function["id"], "session_hash": "s"}
        return httpx.post(f"{url}gradio_api/queue/join", json=call).status_code

    assert [join(compare, 5) for _ in range(3)] == [200] * 3
    assert [join(rank, 14), join(rank, 2)] == [200, 429]  # the seven that are left of a burst of ten


def test_a_ranking_of_many_is_waited_off(serve):
    url = serve(config=ServeConfig(rate_limit=60, max_queue=32))
    body = {"data": ["p", [f"answer {i}" for i in range(16)], ""]}
    statuses = [httpx.post(f"{url}gradio_api/call/rank", json=body).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]  # a burst is ten comparisons


def test_a_path_forges_no_line_of_a_log(serve, caplog):
    caplog.set_level(logging.INFO, logger="inform_demo")
    url = serve()
    seen = "\\u2028INFO inform_demo.web.gate: request\\x85"
    sent = "%E2%80%A8INFO%20inform_demo.web.gate:%20request%C2%85"
    breaking = "nothing%0AINFO%20inform_demo%1B[2J%0D"
    assert httpx.get(f"{url}gradio_api/{breaking}").status_code == 404
    # One that is served but for its last part is not handed to Gradio, which would fail over it.
    assert httpx.post(f"{url}gradio_api/call/v2/{breaking}", json={}).status_code == 404
    assert httpx.post(f"{url}gradio_api/call/v2/nothing{sent}", json={}).status_code == 400
    formatter = TextFormatter("%(levelname)s %(name)s: %(message)s")
    lines = [formatter.format(record) for record in caplog.records if "nothing" in str(vars(record))]
    assert [line.isprintable() for line in lines] == [True] * 4
    assert [line.count("\\nINFO inform_demo\\x1b[2J\\r") for line in lines] == [1, 1, 0, 0]
    assert [line.count(seen) for line in lines] == [0, 0, 1, 1]  # by the route that stumbled, and by the gate
    assert [record.levelname for record in caplog.records].count("ERROR") == 0


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_a_host_that_is_none_is_refused_in_words(serve, caplog, header):
    refused = httpx.get(f"{serve()}config", headers={header: "a\tb"})
    assert refused.status_code == 400
    assert "openapi.json" in refused.json()["detail"]
    assert "Traceback" not in caplog.text


def test_only_a_record_begins_at_the_margin():
    record = logging.makeLogRecord({"msg": "first\nINFO forged\r\x1b[2J é中\t", "levelname": "INFO"})
    try:
        raise ValueError("second\nINFO forged")  # noqa: TRY301
    except ValueError as error:
        record.exc_info = (type(error), error, None)
    text = TextFormatter("%(levelname)s %(message)s").format(record)
    first, *others = text.split("\n")
    assert first == "INFO first"
    assert others[0] == "  INFO forged\\r\\x1b[2J é中\\t"
    assert all(line.startswith("  ") and line.isprintable() for line in others)

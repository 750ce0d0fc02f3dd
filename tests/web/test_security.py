"""SECURITY.md's list, point by point: what fails here when a protection is undone."""

from __future__ import annotations

import ast
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio.state_holder import StateHolder
from gradio_client import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from inform_demo.batch_files import MOST_BYTES
from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui import layout
from inform_demo.ui.layout import build_demo, launch
from inform_demo.ui.texts import ENGLISH
from inform_demo.web import bodies, gate, patience, serving
from inform_demo.web.bodies import MOST_DEPTH, json_depth
from inform_demo.web.routes import Kind, is_served, kind_of
from tests.doubles import FakeScorer
from tests.web.conftest import ROOT, answer, ask


@pytest.fixture(scope="module")
def scorer():
    return FakeScorer()


@pytest.fixture(scope="module")
def demo(scorer):
    return build_demo(ScorerSlot(lambda: scorer), ServeConfig())


@pytest.fixture(scope="module")
def url(demo):
    yield launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    demo.close(verbose=False)


def test_nothing_that_scores_can_be_run_past_the_queue(demo, url, scorer):
    assert demo.api_open is False
    scoring = [event for event in demo.fns.values() if event.concurrency_id == "gpu"]
    assert {event.concurrency_limit for event in scoring} == {1}
    scorer.calls.clear()
    for event in scoring:
        for route in (f"run/{event.api_name}", "run/predict"):
            body = {"data": ["p", "a", "b", "", None], "fn_index": event._id}
            assert httpx.post(f"{url}gradio_api/{route}", json=body).status_code in {404, 422}
    assert scorer.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=https://example.org/",
        "gradio_api/file=http%3A%2F%2Fexample.org%2F",
        "gradio_api/file=HTTPS://example.org/",
        "gradio_api/file=//example.org/",
        "gradio_api/file=%20https:/example.org/",
        "gradio_api/proxy=https://someone.hf.space/",
        "gradio_api/file/https://example.org/",
        "gradio_api/component_server",
        "gradio_api/deep_link?session_hash=a",
        "gradio_api/dev/reload",
        "gradio_api/mcp/",
        "gradio_api/process_recording",
        "gradio_api/run-history/records",
        "gradio_api/stream/a",
        "gradio_api/vibe-code",
        "gradio_api/api/compare",
        "gradio_api",
        "monitoring",
        "docs",
        "file=/etc/passwd",
    ],
)
def test_routes_that_the_page_does_not_use_are_not_there(url, path):
    for method in ("GET", "POST"):
        response = httpx.request(method, f"{url}{path}")
        assert (response.status_code, response.json()["detail"]) == (404, "Not found."), method


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "app.py", "README.md", "inform_demo/embedded/config.json", "%2Fetc%2Fpasswd"),
        *(
            "..%2F..%2Fetc%2Fpasswd",
            "..%5C..%5Cetc%5Cpasswd",
            "/var/gradio/%2e%2e/%2e%2e/etc/passwd",
            "/proc/self/environ",
        ),
    ],
)
def test_no_file_of_the_server_is_given_out(url, path):
    for route in ("gradio_api/file=", "static/", "assets/", "svelte/"):
        response = httpx.get(f"{url}{route}{path}")
        assert response.status_code in {403, 404}, route
        assert b"root:" not in response.content


@given(st.text(max_size=40), st.sampled_from(["", "/", "/gradio_api/", "/gradio_api/file=", "/static/"]))
def test_any_path_is_served_or_not_and_never_upwards(text, prefix):
    path = prefix + text
    served = is_served(path, mcp=True)
    if ".." in path.replace("\\", "/").split("/") or "://" in path.partition("file=")[2]:
        assert not served
    assert kind_of("POST", path) in Kind


def test_what_the_page_needs_is_served(url):
    assets = set(re.findall(r"(?<=\./)assets/[\w.-]+\.(?:js|css)", httpx.get(url).text))
    assert assets
    for asset in assets:
        assert httpx.get(f"{url}{asset}").status_code == 200, asset
    for path in ("config", "gradio_api/info", "gradio_api/openapi.json", "theme.css", "favicon.ico"):
        assert httpx.get(f"{url}{path}").status_code == 200, path


def upload(url, name, data):
    return httpx.post(f"{url}gradio_api/upload", files={"files": (name, data, "text/csv")}, timeout=60)


def test_an_upload_is_a_table_of_bounded_size_or_leaves_no_trace(url, demo):
    taken = upload(url, "pairs.csv", b"prompt,response_a,response_b\n")
    assert taken.status_code == 200
    folder = Path(demo.app.uploaded_file_dir)
    assert Path(taken.json()[0]).is_file()
    before = {file for file in folder.rglob("*") if file.is_file()}
    for name in ("page.html", "script.svg", "pairs.csv.exe", "pairs", "../../up.py"):
        response = upload(url, name, b"<script>alert(1)</script>" + name.encode())
        assert response.status_code in {400, 415}, name
    big = upload(url, "big.csv", b"x" * (MOST_BYTES + 1))
    assert big.status_code == 413
    assert {file for file in folder.rglob("*") if file.is_file()} == before
    Path(taken.json()[0]).unlink()


def test_uploads_that_nobody_took_are_deleted(demo, serve, monkeypatch):
    every_s, older_than_s = demo.delete_cache
    assert 0 < every_s <= older_than_s <= 3600
    monkeypatch.setattr(layout, "_DELETE_UPLOADS_S", (1, 1))
    file = Path(upload(serve(), "left.csv", b"a,b\n").json()[0])
    assert file.is_file()
    deadline = time.monotonic() + 20
    while file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_file_is_taken_where_the_folder_of_uploads_is_full(serve, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(gate, "MOST_HELD_BYTES", 100_000)
    url = serve()
    first = upload(url, "first.csv", b"x" * 100_000)
    assert first.status_code == 200
    refused = upload(url, "second.csv", b"y")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "600")
    assert refused.json()["detail"] == ENGLISH.batch.uploads_full.format(minutes=10)
    assert [file.name for file in tmp_path.rglob("*.csv")] == ["first.csv"]
    Path(first.json()[0]).unlink()
    assert upload(url, "second.csv", b"y").status_code == 200
    # Many files of nothing are as many blocks.
    for i in range(30):
        (tmp_path / f"{i}.csv").touch()
    assert upload(url, "third.csv", b"z").status_code == 503


def test_sessions_are_bounded_and_whoever_lost_one_is_served(serve, monkeypatch):
    """Each call of the API is one to Gradio, and each page; what it held of the oldest is gone."""
    assert serving.MOST_SESSIONS <= 500
    monkeypatch.setattr(serving, "MOST_SESSIONS", 3)
    holders = []
    make = StateHolder.__init__
    monkeypatch.setattr(StateHolder, "__init__", lambda self: holders.append(self) or make(self))
    url = serve()
    page = Client(url, verbose=False, analytics_enabled=False)
    assert page.predict("p", "a", "b", api_name="/compare")["preferred"] == "tie"
    (holder,) = [each for each in holders if page.session_hash in each]
    for _ in range(8):
        assert "complete" in answer(url, ask(url))
        assert len(holder.session_data) <= 3
    assert page.session_hash not in holder
    assert page.predict("p", "a", "b", api_name="/compare")["preferred"] == "tie"
    page.close()


def test_a_request_that_is_too_large_is_refused_unread(url, monkeypatch, scorer):
    scorer.calls.clear()
    monkeypatch.setattr(bodies, "MOST_JSON_BYTES", 5_000)
    response = ask(url, "p" * 6_000, "a", "b")
    assert response.status_code == 413
    assert scorer.calls == []
    monkeypatch.undo()
    assert "complete" in answer(url, ask(url, "p" * 6_000, "a", "b"))


def test_deep_json_is_refused_and_brackets_in_a_text_are_text(url):
    deep = '{"data": ' + "[" * 100_000 + "]" * 100_000 + "}"
    response = httpx.post(f"{url}gradio_api/call/compare", content=deep, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["detail"]) == (
        400,
        f"The JSON is nested deeper than {MOST_DEPTH} levels.",
    )
    assert "complete" in answer(url, ask(url, "[{" * 5_000 + '"\\', 'a"' + "[" * 500, "b"))


TREES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)


def depth_of(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth_of, children), default=0)


@settings(deadline=None)
@given(TREES, st.integers(0, 40), st.booleans())
def test_the_depth_is_the_parsers(tree, n_around, ascii_only):
    for _ in range(n_around):
        tree = [tree, {}, "]}"] if n_around % 2 else {"[": tree, "x": '\\"'}
    text = json.dumps(tree, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = json_depth(text)
    assert found in {0, depth_of(tree)}
    assert found or depth_of(tree) <= MOST_DEPTH


@given(st.binary(max_size=300))
def test_the_depth_of_anything_is_a_number(data):
    assert json_depth(data * 10) >= 0


def talk(url, data, wait_s=10.0):
    """Send bytes and then nothing; the answer, and how long the server kept the connection."""
    host, port = url.removeprefix("http://").strip("/").split(":")
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=wait_s) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received, time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_client_that_never_says_what_it_wants_is_let_go(url, monkeypatch, sent):
    monkeypatch.setattr(patience, "HEAD_S", 0.5)
    received, took_s = talk(url, sent)
    assert (received, took_s < 8) == (b"", True)


def test_a_second_request_on_a_connection_is_waited_for_no_longer(url, monkeypatch):
    monkeypatch.setattr(patience, "HEAD_S", 0.5)
    host, port = url.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /hea")
        while connection.recv(65536):
            pass  # a timeout here is a connection that is kept for ever


@pytest.mark.parametrize(
    ("path", "content_type", "begun"),
    [
        ("call/compare", "application/json", b'{"data"'),
        ("upload", "multipart/form-data; boundary=b", b"--b\r\n"),
    ],
)
def test_a_body_that_stalls_is_let_go(url, monkeypatch, path, content_type, begun):
    monkeypatch.setattr(bodies, "PAUSE_S", 0.5)
    head = f"POST /gradio_api/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: 99\r\n\r\n"
    received, took_s = talk(url, head.encode() + begun)
    assert received.startswith(b"HTTP/1.1 408")
    assert took_s < 8


def test_every_answer_carries_the_headers(url):
    for path in ("", "healthz", "theme.css", "gradio_api/info", "nothing", "gradio_api/file=/etc/passwd"):
        headers = httpx.get(f"{url}{path}").headers
        assert headers["x-content-type-options"] == "nosniff", path
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["connect-src"] == policy["default-src"] == policy["base-uri"] == "'self'"
        assert (policy["object-src"], policy["frame-ancestors"]) == ("'none'", "'self'")
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert len(headers["x-request-id"]) == 16


def test_a_fault_of_the_server_shows_neither_path_nor_code(url, scorer):
    scorer.error = OSError("/srv/secret/weights.safetensors")
    told = answer(url, ask(url))
    scorer.error = None
    wrong = [
        httpx.post(f"{url}gradio_api/call/compare", json={"data": "x"}).text,
        httpx.post(f"{url}gradio_api/call/compare", content=b"{", headers={"Content-Type": "application/json"}).text,
        httpx.post(f"{url}gradio_api/call/nothing", json={"data": []}).text,
        httpx.post(f"{url}gradio_api/queue/join", json={"data": [], "fn_index": 10**6, "session_hash": "s"}).text,
        answer(url, httpx.post(f"{url}gradio_api/call/compare", json={"data": [1, [], {}, None, "x"]})),
    ]
    assert "event: error" in told
    for text in (told, *wrong):
        for leak in ("secret", "Traceback", "site-packages", ".py", str(ROOT)):
            assert leak not in text, text


def test_two_sessions_at_once_get_their_own_answers_only(url):
    def session(number):
        client = Client(url, verbose=False, analytics_enabled=False)
        try:
            texts = [" ".join(f"w{i}" for i in range(n)) for n in range(1, 9)]
            got = [client.predict(f"visitor {number}", text, "x", api_name="/compare")["n_tokens_a"] for text in texts]
            # The prompt is two words and one more, the answer its words and one more.
            return got == [3 + n + 1 for n in range(1, 9)]
        finally:
            client.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(session, range(4)))


def test_nobody_fetches_or_cancels_what_is_anothers_without_its_name(url, scorer):
    scorer.delay_s = 0.7
    asked = ask(url, "which?", "mine alone", "b")
    for guess in ("0" * 32, asked.json()["event_id"][:-1] + "x"):
        assert "complete" not in httpx.get(f"{url}gradio_api/call/compare/{guess}", timeout=20).text
        httpx.post(f"{url}gradio_api/cancel", json={"session_hash": "s", "fn_index": 0, "event_id": guess})
    assert "event: complete" in answer(url, asked)
    scorer.delay_s = 0.0


CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "compare", "arguments": {"prompt": "p", "response_a": "a", "response_b": "b"}},
}


def test_an_agent_without_a_session_is_bound_by_the_same_limits(serve):
    scorer = FakeScorer()
    url = serve(scorer, ServeConfig(mcp=True, rate_limit=2))
    headers = {"Accept": "application/json, text/event-stream"}

    def call(body, **more):
        return httpx.post(f"{url}gradio_api/mcp/", json=body, headers=headers | more, timeout=60)

    statuses = [call(CALL).status_code for _ in range(4)]
    assert statuses[2:] == [429, 429]
    assert 500 not in statuses
    # Neither in a list nor with the mark of a call that was counted.
    assert call([CALL, CALL], **{"X-Inform-Counted": "x"}).status_code == 429
    assert len(scorer.calls) <= 2
    assert httpx.post(f"{url}gradio_api/mcp/", content=b"[" * 10_000, headers=headers).status_code == 400


def calls_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


@pytest.mark.parametrize("file", [*(ROOT / "inform_demo").rglob("*.py"), ROOT / "app.py"], ids=lambda file: file.name)
def test_no_code_comes_from_data(file):
    for name, options in calls_of(ast.parse(file.read_text(encoding="utf-8"))):
        assert name not in {"eval", "exec", "os.system", "pickle.load", "pickle.loads", "marshal.loads", "yaml.load"}
        assert options.get("trust_remote_code", "False") == "False"
        assert options.get("shell", "False") == "False"
        if name == "torch.load":
            assert options.get("weights_only") == "True"
        if name.endswith("from_pretrained") and "Tokenizer" not in name and "Config" not in name:
            assert options.get("use_safetensors", "True") == "True"

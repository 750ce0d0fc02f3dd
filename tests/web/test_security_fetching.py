"""No address is fetched for a visitor: by the gate, and should one come past it, by Gradio's own functions."""

from __future__ import annotations

import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from gradio import processing_utils

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.web import serving
from inform_demo.web.calls import file_paths, is_within
from inform_demo.web.gate import Gate
from tests.doubles import FakeScorer
from tests.web.conftest import answer

META = {"_type": "gradio.FileData"}
PAIR = {"response_a": "a", "response_b": "b"}


@pytest.fixture
def elsewhere(monkeypatch):
    """The address of another server, which Gradio would take for a public one, and the paths it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x")

        def log_message(self, *args):
            pass

    # What Gradio has before any page of ours is served in this process.
    spec = importlib.util.spec_from_file_location("gradio.processing_utils", processing_utils.__file__)
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    fresh.PUBLIC_HOSTNAME_WHITELIST[:] = ["localhost"]
    for name in ("async_ssrf_protected_download", "async_ssrf_protected_get"):
        monkeypatch.setattr(processing_utils, name, getattr(fresh, name))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def page(monkeypatch, tmp_path):
    """A page with tools for agents."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    config = ServeConfig(mcp=True)
    demo = build_demo(ScorerSlot(FakeScorer), config)
    yield demo, lambda: launch(demo, config, prevent_thread_lock=True, quiet=True)
    demo.close(verbose=False)


def requests_with(demo, file):
    """A request of each kind by which an argument gets in."""
    batch = [[{"prompt": file, **PAIR}]]
    compare = next(event for event in demo.fns.values() if event.api_name == "compare")
    refresh = next(event for event in demo.fns.values() if not event.queue and len(event.inputs) == 1 and event.fn)
    tool = {"name": "batch", "arguments": {"pairs": batch[0]}}
    return {
        "call/compare": {"data": [file, "a", "b", "", None]},
        "call/compare/": {"data": ["p", [{"deep": [file]}], "b", "", None]},
        "call/v2/compare": {"prompt": file, **PAIR},
        "call/batch": {"data": batch},
        "queue/join": {"data": [file, "a", "b", "", None], "fn_index": compare._id, "session_hash": "s"},
        "run/predict": {"data": [file], "fn_index": refresh._id, "session_hash": "s"},
        "mcp/": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool},
    }


def send(url, path, body):
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return httpx.post(f"{url}gradio_api/{path}", content=body, headers=headers, timeout=60)


def test_no_argument_makes_the_server_fetch_an_address(page, elsewhere, monkeypatch):
    monkeypatch.setattr(serving, "forbid_fetching", lambda: None)
    demo, serve = page
    address, asked = elsewhere
    url = serve()
    for path, body in requests_with(demo, {"path": f"{address}/{{}}", "meta": META}).items():
        plain = json.dumps(body)
        for text in (plain, plain.replace("gradio.F", "gradio\\u002eF").replace('"path"', '"\\u0070ath"')):
            refused = send(url, path, text)
            assert (refused.status_code, "another file" in refused.json()["detail"]) == (400, True), path
        assert send(url, path, plain.encode("utf-16")).status_code == 400, path
    assert asked == []


@pytest.mark.parametrize("is_forbidden", [False, True])
def test_what_came_past_the_gate_would_not_be_fetched_either(page, elsewhere, monkeypatch, is_forbidden):
    """Without that, it is: this is also what tells that the test above could fail."""
    monkeypatch.setattr(Gate, "_check_files", lambda *_: None)
    if not is_forbidden:
        monkeypatch.setattr(serving, "forbid_fetching", lambda: None)
    _, serve = page
    address, asked = elsewhere
    url = serve()
    body = json.dumps({"data": [{"path": f"{address}/file", "meta": META}, "a", "b", "", None]})
    told = answer(url, send(url, "call/compare", body))
    assert asked == ([] if is_forbidden else ["/file"])
    assert ("uploaded here" in told) is is_forbidden


def test_an_agent_gets_no_file_of_the_server_copied(page, tmp_path):
    """The client that Gradio has for agents uploads whatever lies at a path of the machine that it runs on."""
    secret = tmp_path.parent / "secret.csv"
    secret.write_text("a secret")
    demo, serve = page
    body = requests_with(demo, {"path": str(secret), "meta": META})["mcp/"]
    assert send(serve(), "mcp/", json.dumps(body)).status_code == 400
    assert not list(tmp_path.rglob("*.csv"))


def test_an_upload_of_this_server_is_read_and_no_other_path_is(page, tmp_path):
    demo, serve = page
    url = serve()
    data = b"prompt,response_a,response_b\np,a,b\n"
    path = httpx.post(f"{url}gradio_api/upload", files={"files": ("pairs.csv", data, "text/csv")}).json()[0]
    assert Path(path).is_file()
    read = next(event for event in demo.fns.values() if event.name == "read")

    def open_file(path):
        # As the page sends it.
        file = {"path": path, "url": f"{url}gradio_api/file={path}", "orig_name": "pairs.csv", "meta": META}
        body = {"data": [file, ""], "fn_index": read._id, "session_hash": "s"}
        return send(url, "run/predict", json.dumps(body))

    for other in ("/etc/passwd", f"{tmp_path}/../other.csv", f"file://{path}", f"{path}\0", "pairs.csv", "//host/x"):
        assert open_file(other).status_code == 400, other
    opened = open_file(path)
    assert opened.status_code == 200
    assert "pairs.csv" in json.dumps(opened.json()["data"])
    assert not Path(path).exists()


def test_a_file_is_found_wherever_gradio_would_find_one():
    file = {"path": "x", "meta": META}
    assert file_paths([{"a": [file, {"b": file}]}, {"path": "y", "meta": {**META, "more": file}}]) == ["y", *["x"] * 3]
    for other in (None, "x", {"path": "x"}, {"path": 1, "meta": META}, {"path": "x", "meta": "gradio.FileData"}):
        assert file_paths([other]) == []


def test_a_path_is_judged_by_its_words(tmp_path):
    assert is_within(f"{tmp_path}/a/b.csv", tmp_path)
    assert is_within(f"{tmp_path}/c/../b.csv", tmp_path)
    for path in ("", ".", f"{tmp_path}x/b.csv", f"{tmp_path}/../b.csv", f"{tmp_path}/b\0", f"{tmp_path}/{'a/' * 5000}"):
        assert not is_within(path, tmp_path), path

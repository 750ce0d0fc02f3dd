"""Requests that Gradio's own routes stumble over get an answer in words, and leave one line in the log."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from inform_demo.web.stumbles import serve_or_refuse
from tests.web.conftest import answer, ask

ARGUMENTS = {"prompt": "p", "response_a": "a", "response_b": "b"}


def test_a_request_that_does_not_fit_is_refused_in_one_line_of_the_log(serve, caplog):
    url = serve()
    for path, sent in (
        ("call/v2/compare", {"json": {}}),
        ("call/v2/compare", {"json": {**ARGUMENTS, "a secret": 1}}),
        ("call/v2/nothing", {"json": {}}),
        ("call/nothing", {"json": {"data": []}}),
        ("upload?upload_id=x", {"files": {"other": (None, "x")}}),
        ("upload", {"files": {"files": (None, "x")}}),
    ):
        caplog.clear()
        response = httpx.post(f"{url}gradio_api/{path}", **sent)
        assert response.status_code == 400, path
        assert "openapi.json" in response.json()["detail"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert [record.message for record in caplog.records if record.levelname != "INFO"] == ["A request did not fit."]
        assert "a secret" not in repr([vars(record) for record in caplog.records])
    fitting = httpx.post(f"{url}gradio_api/call/v2/compare", json=ARGUMENTS)
    assert "event: complete" in answer(url, fitting)
    assert "event: complete" in answer(url, ask(url))


def test_arguments_that_do_not_fit_are_no_fault_of_the_server(serve, caplog, capfd):
    url = serve()
    direct = httpx.post(f"{url}gradio_api/run/any", json={"data": [], "fn_index": 0})
    assert direct.status_code == 400
    assert "openapi.json" in direct.json()["error"]
    queued = httpx.post(f"{url}gradio_api/call/compare", json={"data": ["a secret"]})
    assert "openapi.json" in answer(url, queued)
    assert "Traceback" not in capfd.readouterr().err
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["A request did not fit."] * 2
    assert "a secret" not in repr([vars(record) for record in caplog.records])


def test_an_event_that_there_is_not_ends_its_stream(serve, caplog):
    response = httpx.get(f"{serve()}gradio_api/call/compare/nothing")
    assert response.text.startswith("event: error\n")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("begun", "fault"),
    [
        (None, OSError("the disk is full")),
        (None, RuntimeError("of the server's own")),
        (b"text/html", KeyError("after the beginning")),
        (b"text/event-stream", RuntimeError("without a cause")),
    ],
)
def test_a_fault_of_the_server_stays_one(begun, fault):
    async def app(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", begun)]})
        raise fault

    async def send(message):
        pass

    with pytest.raises(type(fault)):
        asyncio.run(serve_or_refuse(app, {"type": "http", "method": "GET", "path": "/"}, None, send))

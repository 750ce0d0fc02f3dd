"""The /batch endpoint, over HTTP as a program meets it."""

from __future__ import annotations

import json

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer

ASSISTANT = {"role": "assistant", "content": "a"}


@pytest.fixture(scope="module")
def client():
    demo = build_demo(ScorerSlot(FakeScorer), ServeConfig())
    client = Client(launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True), verbose=False)
    yield client
    client.close()
    demo.close(verbose=False)


def test_rows_and_summary_come_back_and_a_bad_row_keeps_its_reason(client):
    good = {"prompt": "p", "response_a": "one two three four", "response_b": "one", "label": "a"}
    result = client.predict([good, {"prompt": "p"}, {**good, "label": "b"}], api_name="/batch")
    assert [row["preferred"] for row in result["rows"]] == ["a", None, "a"]
    assert result["rows"][1]["error"] == "response_a is empty."
    assert result["rows"][0]["margin"] == pytest.approx(0.3)
    assert (result["summary"]["n_scored"], result["summary"]["n_failed"], result["summary"]["n_right"]) == (2, 1, 1)
    assert result["summary"]["accuracy"] == 0.5


def over_http(client: Client, name: str, data: list) -> dict:
    """The two steps of plain HTTP, without gradio_client."""
    event = httpx.post(f"{client.src}gradio_api/call/{name}", json={"data": data}).json()["event_id"]
    stream = httpx.get(f"{client.src}gradio_api/call/{name}/{event}", timeout=30).text
    assert stream.startswith("event: complete\n")
    (line,) = [line for line in stream.splitlines() if line.startswith("data: ")]
    (result,) = json.loads(line.removeprefix("data: "))
    return result


def test_all_four_functions_answer_plain_http(client):
    texts = ["p", "one two three four", "one"]
    compared = over_http(client, "compare", [*texts, "", None])
    assert (compared["margin"], compared["preferred"]) == (pytest.approx(0.3), "a")
    traced = over_http(client, "trace", [*texts, "be brief", [{"role": "user", "content": "u"}, ASSISTANT]])
    assert traced["comparison"]["margin"] == pytest.approx(0.3)
    assert traced["trace_a"]["values"][-1] == traced["comparison"]["reward_a"]
    ranked = over_http(client, "rank", ["p", ["one", "one two", "one two three"], ""])
    assert [answer["index"] for answer in ranked["answers"]] == [2, 1, 0]
    batch = over_http(client, "batch", [[dict(zip(("prompt", "response_a", "response_b"), texts, strict=True))]])
    assert [row["preferred"] for row in batch["rows"]] == ["a"]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [([], "got 0"), ([{}] * 201, "Expected 1 to 200 pairs a call; got 201"), (["x"], "list of objects")],
)
def test_a_wrong_call_is_named(client, pairs, words):
    with pytest.raises(AppError, match=words):
        client.predict(pairs, api_name="/batch")

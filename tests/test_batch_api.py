"""The /batch endpoint, over HTTP as a program meets it."""

from __future__ import annotations

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer


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


@pytest.mark.parametrize(
    ("pairs", "words"),
    [([], "got 0"), ([{}] * 201, "Expected 1 to 200 pairs a call; got 201"), (["x"], "list of objects")],
)
def test_a_wrong_call_is_named(client, pairs, words):
    with pytest.raises(AppError, match=words):
        client.predict(pairs, api_name="/batch")

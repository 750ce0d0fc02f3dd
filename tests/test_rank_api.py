"""The API of the Rank tab, over HTTP as a program meets it."""

from __future__ import annotations

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from inform_demo.config import ServeConfig
from inform_demo.ranking import rank_conversations
from inform_demo.slot import ScorerSlot
from inform_demo.types import build_conversations
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer


@pytest.fixture(scope="module")
def scorer():
    return FakeScorer()


@pytest.fixture(scope="module")
def client(scorer):
    config = ServeConfig(max_queue=8)
    demo = build_demo(ScorerSlot(lambda: scorer), config)
    client = Client(launch(demo, config, prevent_thread_lock=True, quiet=True), verbose=False, analytics_enabled=False)
    yield client
    client.close()
    demo.close(verbose=False)


@pytest.fixture(autouse=True)
def _fresh(scorer):
    scorer.error = None


def test_rank_describes_itself(client):
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/rank"]
    parameters = [
        (p["parameter_name"], p["python_type"]["type"], p["parameter_has_default"]) for p in endpoint["parameters"]
    ]
    assert parameters == [("prompt", "str", False), ("responses", "list[str]", False), ("system", "str", True)]
    assert endpoint["description"].startswith("Rank 2 to 16 answers")


def test_rank_returns_the_json_object_of_a_ranking(client, scorer):
    answers = ["one", "one two three", "one two"]
    result = client.predict("which?", answers, "be brief", api_name="/rank")
    expected = rank_conversations(scorer, build_conversations("which?", answers, "be brief")).to_dict()
    assert result.pop("elapsed_s") >= 0
    expected.pop("elapsed_s")
    assert result["preference_matrix"] == [list(row) for row in expected.pop("preference_matrix")]
    result.pop("preference_matrix")
    assert result["answers"] == list(expected.pop("answers"))
    result.pop("answers")
    assert result == expected
    assert result["n_tokens_shared"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("p", ["a"]), r"Expected 2 to 16 answers; got 1\."),
        (("p", ["a"] * 17), r"Expected 2 to 16 answers; got 17\."),
        (("p", ["a", " ", "c"]), "Answer 2 is empty"),
        (("p", ["a", 5]), "Answer 2 must be text; got number"),
        (("p", "ab"), "Expected a list of texts"),
        ((" ", ["a", "b"]), "Prompt is empty"),
    ],
)
def test_a_users_fault_comes_back_as_its_text(client, arguments, message):
    with pytest.raises(AppError, match=message):
        client.predict(*arguments, api_name="/rank")


def test_an_unforeseen_fault_is_logged_and_not_echoed(client, scorer, caplog):
    scorer.error = RuntimeError("secret in /srv/weights")
    with pytest.raises(AppError, match="Something went wrong") as caught:
        client.predict("p", ["a", "b"], api_name="/rank")
    assert "secret" not in str(caught.value)
    assert "A request failed." in caplog.text
    scorer.error = None
    assert client.predict("p", ["a", "b"], api_name="/rank")["answers"][1]["rank"] == 1


def test_ranking_waits_in_the_line_of_everything_that_scores():
    demo = build_demo(ScorerSlot(FakeScorer), ServeConfig())
    scoring = [fn for fn in demo.fns.values() if fn.name in {"rank", "show_ranking"}]
    assert sorted(fn.name for fn in scoring) == ["rank", "show_ranking"]
    assert {(fn.concurrency_id, fn.concurrency_limit, fn.queue) for fn in scoring} == {("gpu", 1, True)}

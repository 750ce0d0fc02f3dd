"""The page's API, over HTTP as a program meets it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from inform_demo.config import ServeConfig
from inform_demo.errors import NonFiniteRewardError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer


@pytest.fixture(scope="module")
def scorer():
    return FakeScorer()


@pytest.fixture(scope="module")
def url(scorer):
    config = ServeConfig(max_queue=8)
    demo = build_demo(ScorerSlot(lambda: scorer), config)
    yield launch(demo, config, prevent_thread_lock=True, quiet=True)
    demo.close(verbose=False)


@pytest.fixture(scope="module")
def client(url):
    client = Client(url, verbose=False, analytics_enabled=False)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _fresh(scorer):
    scorer.calls.clear()
    scorer.error = None
    scorer.delay_s = 0.0
    scorer.most_running = 0


def test_the_endpoints_are_these_and_describe_themselves(client):
    api = client.view_api(return_format="dict", print_info=False)
    assert sorted(api["named_endpoints"]) == ["/batch", "/compare", "/rank", "/trace"]
    assert all(len(endpoint["description"]) > 40 for endpoint in api["named_endpoints"].values())
    assert api["unnamed_endpoints"] == {}
    endpoint = api["named_endpoints"]["/compare"]
    parameters = [
        (p["parameter_name"], p["python_type"]["type"], p["parameter_has_default"]) for p in endpoint["parameters"]
    ]
    assert parameters == [
        ("prompt", "str", False),
        ("response_a", "str", False),
        ("response_b", "str", False),
        ("system", "str", True),
        ("earlier_turns", "None | list[dict(str, str)]", True),
    ]
    assert endpoint["description"].startswith("Say which of two answers")


def test_compare_returns_the_json_object_of_a_comparison(client, scorer):
    result = client.predict("which?", "one two three", "one", api_name="/compare")
    assert result == scorer.compare("which?", "one two three", "one").to_dict()
    assert result["margin"] == pytest.approx(0.2)
    assert scorer.calls[0] == ("which?", "one two three", "one", None)


def test_the_system_prompt_is_handed_on(client, scorer):
    client.predict(prompt="p", response_a="a", response_b="b", system="be brief", api_name="/compare")
    assert scorer.calls == [("p", "a", "b", "be brief")]


def test_earlier_turns_are_handed_on_and_wrong_ones_named(client, scorer):
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    client.predict("p", "a", "b", "", turns, api_name="/compare")
    assert [m.content for m in scorer.conversations[-1][0].messages] == ["Hello", "Hi", "p", "a"]
    with pytest.raises(AppError, match="ending with the assistant"):
        client.predict("p", "a", "b", "", turns[:1], api_name="/compare")
    with pytest.raises(AppError, match="role must be one of"):
        client.predict("p", "a", "b", "", [{"role": "tool", "content": "x"}], api_name="/compare")


def test_trace_ends_in_the_rewards_of_compare(client):
    result = client.predict("which?", "one two", "one", api_name="/trace")
    compared = client.predict("which?", "one two", "one", api_name="/compare")
    assert result["comparison"] == compared
    assert "".join(result["trace_a"]["pieces"]) == "one two"
    assert result["trace_a"]["values"][-1] == compared["reward_a"]
    assert result["trace_b"]["values"][-1] == compared["reward_b"]


def test_a_users_fault_comes_back_as_its_text(client):
    with pytest.raises(AppError, match="Answer B is empty"):
        client.predict("p", "a & <b>", " ", api_name="/compare")


def test_a_scoring_fault_comes_back_as_its_text_and_the_next_call_works(client, scorer):
    scorer.error = NonFiniteRewardError("The model gave NaN for <answer A>.")
    with pytest.raises(AppError, match="The model gave NaN for <answer A>"):
        client.predict("p", "a", "b", api_name="/compare")
    scorer.error = None
    assert client.predict("p", "a", "b", api_name="/compare")["preferred"] == "tie"


def test_an_unforeseen_fault_is_logged_by_its_type_and_lines_and_not_echoed(client, scorer, caplog):
    scorer.error = RuntimeError("secret in /srv/weights")
    with pytest.raises(AppError) as caught:
        client.predict("p", "a", "b", api_name="/compare")
    assert "secret" not in str(caught.value)
    assert "Something went wrong" in str(caught.value)
    (record,) = [record for record in caplog.records if record.message == "A request failed."]
    assert record.kind == "RuntimeError"
    assert record.frames[-1].startswith("doubles.py:")
    assert "secret" not in caplog.text + repr(vars(record))


def test_calls_at_once_are_scored_one_at_a_time(url, client, scorer):
    scorer.delay_s = 0.05
    answers = ["one", "one two", "one two three", "one two three four"]
    with ThreadPoolExecutor(len(answers)) as pool:
        results = list(pool.map(lambda a: client.predict("p", a, "one", api_name="/compare"), answers))
    assert [round(r["margin"], 6) for r in results] == [0.0, 0.1, 0.2, 0.3]
    assert scorer.most_running == 1


@pytest.mark.parametrize("route", ["gradio_api/run/compare", "gradio_api/api/compare", "gradio_api/run/show_verdict"])
def test_the_queue_cannot_be_bypassed(url, scorer, route):
    assert httpx.post(f"{url}{route}", json={"data": ["p", "a", "b", ""]}).is_client_error
    assert scorer.calls == []


def test_every_event_that_scores_waits_in_one_line(url):
    demo = build_demo(ScorerSlot(FakeScorer), ServeConfig(max_queue=3))
    scoring = [fn for fn in demo.fns.values() if fn.concurrency_id == "gpu"]
    assert {fn.name for fn in scoring} >= {"compare", "trace", "show_verdict", "check"}
    assert {(fn.concurrency_id, fn.concurrency_limit, fn.queue) for fn in scoring} == {("gpu", 1, True)}
    assert demo._queue.max_size == 3
    assert not demo.api_open


def test_nothing_is_reported_to_anyone():
    assert build_demo(ScorerSlot(FakeScorer), ServeConfig()).analytics_enabled is False


def test_files_of_the_server_are_not_served(url):
    for path in ("/etc/hostname", "pyproject.toml"):
        assert httpx.get(f"{url}gradio_api/file={path}").status_code in {403, 404}

"""`inform-demo annotate` over real sockets, before a server that misbehaves in every known way."""

from __future__ import annotations

import gzip
import json
import socket

import pytest

from inform_demo.errors import ConfigError, DataError
from inform_demo.recipe.annotating import MOST_SILENCE, load_work
from inform_demo.recipe.annotation import Usage, estimate_usage
from tests.recipe.annotate_job import KEY, magnitudes
from tests.recipe.conftest import row, rows
from tests.recipe.judge_server import (
    TOKENS_IN,
    TOKENS_OUT,
    Reply,
    judged,
    prefer_longer,
    refuses,
    says,
)


def test_pairs_go_in_and_annotated_pairs_come_out(job, server):
    conflict, tie = row("Conflict?", "w" * 5, "r" * 40), row("Tie?", "one", "two")
    job.write([*rows(3), conflict, tie, *rows(1)])
    report = job.run()
    assert (report.n_pairs, report.n_judged, report.n_written, report.unjudged) == (6, 6, 6, ())
    written = [json.loads(line) for line in job.output.read_text().splitlines()]
    assert [(w["magnitude"], w["disputed"], w["label_conflict"]) for w in written] == [
        (1, False, False),
        (2, False, False),
        (3, False, False),
        (1, False, True),
        (1, True, False),
        (1, False, False),
    ]
    assert [w["judge"] for w in written] == ["the-judge"] * 6
    assert [(w["chosen"], w["rejected"], w["source"]) for w in written] == [
        (w["chosen"], w["rejected"], w["source"]) for w in [*rows(3), conflict, tie, *rows(1)]
    ]
    assert magnitudes(job.output) == [w["magnitude"] for w in written]
    # The last pair is the first one again, and is not paid for again.
    assert len(server.bodies) == job.n_logged == 2 * 5
    assert (report.usage.tokens_in, report.usage.tokens_out) == (10 * TOKENS_IN, 10 * TOKENS_OUT)
    assert (report.usage.n_estimated, report.flip_rate, report.n_label_conflicts, report.n_disputed) == (0, 0.0, 1, 1)
    recorded = json.loads(job.output.with_name("annotated.jsonl.report.json").read_text())
    assert recorded == json.loads(json.dumps(report.to_dict()))
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)


def test_requests_are_what_the_protocol_says(job, server):
    job.run()
    for body in server.bodies:
        assert (body["model"], body["temperature"]) == ("the-judge", 0)
        assert body["response_format"]["json_schema"]["schema"]["properties"]["winner"]["enum"] == ["A", "B", "tie"]
        assert not {"chosen", "rejected"} & set(json.dumps(body["messages"]).replace('"', " ").split())
    users = [body["messages"][1]["content"] for body in server.bodies]
    assert len(set(users)) == 12


def test_a_judge_that_goes_by_position_gives_itself_away(job, server):
    server.respond = lambda body: judged("A", 3)
    report = job.run()
    assert (report.flip_rate, report.n_disputed) == (1.0, 6)
    assert magnitudes(job.output) == [1] * 6


def test_conflicts_can_be_dropped_and_rows_limited_skipped_and_packed(job, server):
    job.write([*rows(2), row("Conflict?", "w", "r" * 40), *rows(3)])
    job.data.write_text("no json\n" + job.data.read_text())
    with pytest.raises(DataError, match="line 1"):
        job.run()
    output = job.output.with_suffix(".jsonl.gz")
    report = job.run(drop_conflicts=True, skip_invalid=True, limit=4, output=output)
    assert (report.n_pairs, report.n_invalid, report.n_written, report.n_label_conflicts) == (4, 1, 3, 1)
    assert magnitudes(output) == [1, 2, 1]
    assert gzip.decompress(output.read_bytes()).count(b"\n") == 3


TRANSIENT = {
    "rate limit": refuses(429, **{"Retry-After": "0.8"}),
    "server error": refuses(500),
    "overloaded, not JSON": Reply(b"<html>", 503, {"Content-Type": "text/html"}),
    "request timeout": refuses(408),
    "lost in the middle": Reply(judged("A", 1).body, is_cut=True),
    "silence": Reply(is_silent=True),
    "a proxy's patience": refuses(504),
}


# Those that the judge may have replied to, unheard; nobody charges for an error.
LOST = {"lost in the middle", "silence", "a proxy's patience"}


@pytest.mark.parametrize(("name", "fault"), TRANSIENT.items(), ids=TRANSIENT)
def test_what_passes_is_tried_again(job, server, name, fault):
    server.script.append(fault)
    report = job.run(concurrency=1, judge={"timeout_s": 0.5, "max_reply_tokens": 5000})
    at_most = estimate_usage(load_work(job.config()).questions[0][0], 5000)
    paid = Usage(12 * TOKENS_IN, 12 * TOKENS_OUT)
    assert report.usage == (paid + at_most if name in LOST else paid)
    assert (report.n_judged, report.unjudged) == (6, ())
    assert len(server.bodies) == 13
    assert server.bodies[0] == server.bodies[1]
    if "Retry-After" in fault.headers:  # the client's own first pause would be half a second at most
        assert server.arrivals[1] - server.arrivals[0] >= 0.8


def test_what_does_not_pass_is_counted_and_asked_again_by_the_next_run(job, server):
    server.respond = lambda body: refuses(500) if "Question 2?" in str(body) else prefer_longer(body)
    report = job.run(judge={"retries": 0})
    assert report.failures == {"HTTP 500": 1}
    assert (report.unjudged[0].number, report.unjudged[0].prompt) == (3, "Question 2?")
    assert magnitudes(job.output) == [1, 2, 1, 2, 3]
    server.bodies.clear()
    server.respond = prefer_longer
    assert job.run().n_judged == 6
    assert len(server.bodies) == 2
    assert magnitudes(job.output) == [1, 2, 3, 1, 2, 3]


def test_a_server_that_is_gone_is_not_asked_to_the_end(job, server):
    job.write(rows(60))
    server.respond = lambda body: refuses(503)
    report = job.run(judge={"retries": 0}, concurrency=2)
    assert MOST_SILENCE <= len(server.bodies) <= MOST_SILENCE + 2
    assert set(report.failures) == {"HTTP 503", "not asked"}
    assert sum(report.failures.values()) == 60


def test_questions_refused_for_their_own_sake_do_not_stop_the_others(job, server):
    job.write([*rows(1), *(row(f"Too long {i}?", "r", "w") for i in range(MOST_SILENCE)), *rows(3)[1:]])
    server.respond = lambda body: refuses(400) if "Too long" in str(body) else prefer_longer(body)
    assert job.run(concurrency=1).failures == {"HTTP 400": MOST_SILENCE}
    n_asked = len(server.bodies)
    server.respond = lambda body: refuses(400, "no such answers for this model")
    report = job.run(concurrency=1, output=job.output.with_name("other.jsonl"))
    assert len(server.bodies) == n_asked + 3 * MOST_SILENCE
    assert report.failures == {"HTTP 400": MOST_SILENCE // 2, "not asked": 19 - MOST_SILENCE // 2}


def test_where_nobody_listens(job):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        job.url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        report = job.run(judge={"retries": 0})
    assert report.failures == {"no connection": 6}
    assert report.usage == Usage()  # nothing was sent


# What a server refuses, what it is asked with in the end, and how often it refuses meanwhile, one question at a time.
REFUSED = {
    "nothing": (set(), "json_schema", 0),
    "schemas": ({"json_schema"}, "json_object", 1),
    "all formats": ({"json_schema", "json_object"}, None, 2),
}


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(("refused", "accepted", "n_refusals"), REFUSED.values(), ids=REFUSED)
def test_a_format_that_is_refused_is_refused_once(job, server, refused, accepted, n_refusals, status):
    def respond(body):
        return refuses(status) if kind(body) in refused else prefer_longer(body)

    def kind(body):
        return body.get("response_format", {}).get("type")

    server.respond = respond
    assert job.run(concurrency=1).n_judged == 6
    assert len(server.bodies) == 12 + n_refusals
    assert [kind(body) for body in server.bodies[n_refusals:]] == [accepted] * 12


def refuses_parameter(name, says_param=True):
    """As OpenAI does; others leave the field out."""
    message = {
        "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        "temperature": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) "
        "value is supported.",
    }[name]
    error = {"message": message, "type": "invalid_request_error", "param": name, "code": "unsupported"}
    return Reply({"error": error if says_param else {"message": message}}, 400)


@pytest.mark.parametrize("says_param", [True, False])
@pytest.mark.parametrize("refused", [["max_tokens"], ["temperature"], ["max_tokens", "temperature"]])
def test_a_parameter_that_is_refused_is_refused_once(job, server, caplog, refused, says_param):
    def respond(body):
        named = [name for name in refused if name in body]
        return refuses_parameter(named[0], says_param) if named else prefer_longer(body)

    server.respond = respond
    report = job.run(concurrency=1, judge={"max_reply_tokens": 77})
    assert report.n_judged == 6
    assert report.usage == Usage(12 * TOKENS_IN, 12 * TOKENS_OUT)
    assert len(server.bodies) == 12 + len(refused)
    for body in server.bodies[len(refused) :]:
        limits = {"max_completion_tokens": 77} if "max_tokens" in refused else {"max_tokens": 77}
        assert {name: body[name] for name in body if "tokens" in name} == limits
        assert body.get("temperature") == (None if "temperature" in refused else 0)
        assert body["response_format"]["type"] == "json_schema"
    assert caplog.text.count("takes no temperature of 0") == ("temperature" in refused)


def test_a_server_that_repeats_what_it_refuses_names_no_parameter(job, server):
    def respond(body):
        if "response_format" in body:
            return refuses(400, f"extra inputs are not permitted: {json.dumps(body)}")
        return prefer_longer(body)

    server.respond = respond
    assert job.run(concurrency=1).n_judged == 6
    assert [body["temperature"] for body in server.bodies] == [0] * len(server.bodies)
    assert all("max_tokens" in body for body in server.bodies)


def test_a_limit_that_is_too_large_under_either_name_is_not_learnt_from(job, server):
    too_long = refuses(400, "'max_tokens' or 'max_completion_tokens' is too large for this question")
    server.respond = lambda body: too_long if "Question 2?" in str(body) else prefer_longer(body)
    assert job.run(concurrency=1).failures == {"HTTP 400": 1}
    answered = [body for body in server.bodies if "Question 2?" not in str(body)]
    assert len(answered) == 10
    assert all("max_tokens" in body for body in answered)


def test_a_request_refused_in_every_format_costs_the_others_nothing(job, server):
    refusal = Reply({"detail": "too\nlong"}, 400)  # not in OpenAI's form, as with transformers serve
    server.respond = lambda body: refusal if "Question 2?" in str(body) else prefer_longer(body)
    report = job.run(concurrency=1)
    assert report.failures == {"HTTP 400": 1}
    assert '{"detail": "too\\nlong"}' in report.unjudged[0].failure.detail
    assert sum("json_schema" in str(body.get("response_format")) for body in server.bodies) == 12


NO_JUDGEMENT = {
    "refusal": (says(None, refusal="I cannot."), "refusal"),
    "filtered": (says("", finish_reason="content_filter"), "refusal"),
    "cut off": (says('{"reason": "So m', finish_reason="length"), "cut off"),
    "broken JSON": (says('{"reason": "So m'), "unparsable"),
    "no text": (says(None), "unparsable"),
    "parts instead of text": (says([{"type": "text", "text": "A"}]), "unparsable"),
    "no choice": (Reply({"id": "1", "choices": [], "usage": None}), "broken reply"),
    "an error with status 200": (Reply({"error": {"message": f"key {KEY}"}}), "broken reply"),
    "another kind of choice": (Reply({"choices": {"text": "A"}}), "broken reply"),
    "a list": (Reply([]), "broken reply"),
    "a broken body": (Reply(b'{"choices": ['), "broken reply"),
    "not UTF-8": (Reply(b'{"choices": "\xff'), "broken reply"),
    "a page": (Reply(b"<html>", headers={"Content-Type": "text/html"}), "broken reply"),
}


@pytest.mark.parametrize(("reply", "reason"), NO_JUDGEMENT.values(), ids=NO_JUDGEMENT)
def test_a_reply_that_is_no_judgement_has_its_reason(job, server, reply, reason):
    server.script.append(reply)
    report = job.run(concurrency=1)
    assert report.failures == {reason: 1}
    assert report.n_judged == 5
    assert len(server.bodies) == 12
    at_most = estimate_usage(load_work(job.config()).questions[0][0], 1024)
    # A broken reply does not say what it cost.
    last = Usage(TOKENS_IN, TOKENS_OUT) if reason != "broken reply" else at_most
    assert report.usage == Usage(11 * TOKENS_IN, 11 * TOKENS_OUT) + last
    assert job.run().n_judged == 6
    assert len(server.bodies) == 13


@pytest.mark.parametrize("counts", [None, (0, 0)])
def test_tokens_are_estimated_where_a_server_does_not_count(job, server, counts):
    server.script.append(says('{"reason": "", "winner": "A", "strength": 1}', usage=counts))
    report = job.run()
    assert (report.n_judged, report.usage.n_estimated) == (6, 1)
    assert report.usage.tokens_in > 11 * TOKENS_IN


def test_a_judge_in_plain_words_is_understood(job, server):
    def respond(body):
        value = json.loads(prefer_longer(body).body["choices"][0]["message"]["content"])
        return says(f"I prefer one.\n**Winner**: {value['winner']}\n**Strength**: {value['strength']}")

    server.respond = respond
    assert job.run().n_judged == 6
    assert magnitudes(job.output) == [1, 2, 3, 1, 2, 3]


HOPELESS = {
    "wrong key": (refuses(401, f"Incorrect API key: {KEY}"), "OPENAI_API_KEY"),
    "no such model": (refuses(404, "The model does not exist"), "Check --judge the-judge and --base-url"),
    "no credit": (refuses(402, "Insufficient balance"), "no credit left"),
    "no quota": (refuses(429, "You exceeded your quota", "insufficient_quota"), "no credit left"),
}


@pytest.mark.parametrize(("reply", "advice"), HOPELESS.values(), ids=HOPELESS)
def test_what_cannot_succeed_stops_at_once_and_says_what_to_do(job, server, reply, advice):
    n_free = 3
    server.respond = lambda body: prefer_longer(body) if len(server.bodies) <= n_free else reply
    with pytest.raises(ConfigError, match=advice) as caught:
        job.run(concurrency=1, judge={"retries": 0})
    assert KEY not in str(caught.value)
    assert (len(server.bodies), job.n_logged) == (4, 3)
    assert not job.output.exists()
    server.bodies.clear()
    n_free = 0
    with pytest.raises(ConfigError, match=advice):
        job.run(concurrency=4, judge={"retries": 0})
    assert (len(server.bodies) <= 4, job.n_logged) == (True, 3)


def test_without_a_key_a_local_server_is_asked_all_the_same(job, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert job.run(judge={"api_key_env": "NO_SUCH_KEY"}).n_judged == 6
    assert KEY not in str(server.headers)

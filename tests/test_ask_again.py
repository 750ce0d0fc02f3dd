"""Lines that ask for a comparison again, read back by parsers that are not ours, and run for real."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inform_demo.cli import build_parser, main, read_turns
from inform_demo.config import ServeConfig
from inform_demo.scoring import RewardScorer
from inform_demo.slot import ScorerSlot
from inform_demo.types import Message, build_conversations
from inform_demo.ui.export import EXPORTS
from inform_demo.ui.handlers import Inputs
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import REPORT, FakeScorer
from tests.test_export import ADDRESS, NASTY, calm, inputs, outcome_of, simple, turns_of


def heredoc(script: str) -> str:
    return script.split("<<'JSON'", 1)[1].split("\n", 1)[1].split("\nJSON\n", 1)[0]


@calm
@given(inputs())
def test_curl_sends_every_text_in_ascii_on_standard_input(values):
    script = EXPORTS["curl"](outcome_of(values), ADDRESS)
    data = json.loads(heredoc(script))["data"]
    assert data == [values.prompt, values.response_a, values.response_b, values.system, turns_of(values)]
    assert script.isascii()
    assert script.count("\nJSON\n") == 1


@calm
@given(inputs(), st.sampled_from([ADDRESS, "https://a.b/c", "http://x/'; id; '", "", 'http://x/"+id+"']))
def test_python_is_a_call_with_the_texts_as_literals(values, address):
    tree = ast.parse(EXPORTS["Python"](outcome_of(values), address))
    calls = {ast.unparse(call.func): call for call in ast.walk(tree) if isinstance(call, ast.Call)}
    assert set(calls) == {"Client", "client.predict", "print"}
    (source,) = calls["Client"].args
    assert ast.literal_eval(source) == f"{(address or ADDRESS).rstrip('/')}/"
    given_now = {keyword.arg: ast.literal_eval(keyword.value) for keyword in calls["client.predict"].keywords}
    assert given_now.pop("api_name") == "/compare"
    assert {"system": "", "earlier_turns": [], **given_now} == {
        "prompt": values.prompt,
        "response_a": values.response_a,
        "response_b": values.response_b,
        "system": values.system,
        "earlier_turns": turns_of(values),
    }


@calm
@given(inputs())
@example(Inputs("--", "--", "--", "--"))
def test_the_command_is_one_line_that_the_command_line_reads_back(tmp_path_factory, values):
    script = EXPORTS["Command line"](outcome_of(values), ADDRESS)
    if "\0" in values.prompt + values.response_a + values.response_b + values.system:
        assert re.fullmatch("#[^\n]+\n", script)
        return
    command, _, _ = script.rpartition(" <<'JSON'\n") if values.earlier_turns else (script, "", "")
    program, *arguments = shlex.split(command)
    assert program == "inform-demo"
    options = build_parser().parse_args(arguments)
    conversation = None
    if values.earlier_turns:
        conversation = tmp_path_factory.getbasetemp() / "conversation.json"
        conversation.write_text(script[len(command) :].removeprefix(" <<'JSON'\n").removesuffix("\nJSON\n"))
    assert (options.response_a, options.response_b) == (values.response_a, values.response_b)
    expected = build_conversations(values.prompt, ["x"], values.system, values.earlier_turns)[0].prompt
    assert read_turns(options.prompt, options.system, conversation) == expected


def test_a_text_too_long_for_a_command_line_is_named():
    long = outcome_of(Inputs("which?", "x" * 200_000, "one"))
    assert re.fullmatch("# These texts are longer[^\n]+\n", EXPORTS["Command line"](long, ADDRESS))


def test_the_command_names_the_model_that_scored():
    hub = replace(REPORT, model="owner/name", revision="abc", is_embedded=False, precision="nf4")
    command = EXPORTS["Command line"](simple(report=hub), ADDRESS)
    assert command.startswith("INFORM_REVISION=abc inform-demo compare --model=owner/name --precision=nf4 --json ")
    folder = EXPORTS["Command line"](simple(report=replace(hub, revision=None)), ADDRESS)
    assert folder.startswith("# The model came from a folder")
    assert "--model" not in EXPORTS["Command line"](simple(), ADDRESS)


@pytest.fixture(scope="module")
def scorer():
    return FakeScorer()


@pytest.fixture(scope="module")
def url(scorer):
    demo = build_demo(ScorerSlot(lambda: scorer), ServeConfig())
    yield launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    demo.close(verbose=False)


# Without the two that no shell's own variables and terminals carry; NUL travels as an escape.
HARD = Inputs(
    f"{NASTY[0]}\n{NASTY[2]}",
    "-x `id` 'one' \"two\" \u202e three\0",
    "=1 JSON\nJSON\n$(id)",
    "be\tbrief",
    (Message("user", "it's \\"), Message("assistant", '```\n"no"')),
)


def assert_scored(scorer: FakeScorer, values: Inputs) -> None:
    pair = build_conversations(
        values.prompt, (values.response_a, values.response_b), values.system, values.earlier_turns
    )
    assert scorer.conversations[-1] == tuple(pair)


@pytest.mark.parametrize("values", [HARD, Inputs("which?", "one two", "x" * 200_000)], ids=["hard", "long"])
def test_the_generated_python_runs_and_gets_the_same_comparison(url, scorer, values):
    script = EXPORTS["Python"](outcome_of(values), url)
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == outcome_of(values).comparison.to_dict()
    assert_scored(scorer, values)


@pytest.mark.parametrize("values", [HARD, Inputs("which?", "one two", "x" * 200_000)], ids=["hard", "long"])
@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_generated_curl_lines_run_and_get_the_same_comparison(url, scorer, values, shell):
    script = EXPORTS["curl"](outcome_of(values), url)
    done = subprocess.run([shell], input=script, capture_output=True, text=True, check=True)
    *_, event, data = done.stdout.strip().splitlines()
    assert event == "event: complete"
    assert json.loads(data.removeprefix("data: ")) == [outcome_of(values).comparison.to_dict()]
    assert_scored(scorer, values)


def test_the_generated_command_runs_and_scores_these_texts(tmp_path, monkeypatch, capsys, embedded_scorer):
    """The shell's part and the command line's own, which share one loaded model with the other tests."""
    values = replace(HARD, response_a=HARD.response_a.replace("\0", ""))
    program = tmp_path / "inform-demo"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(tmp_path / 'seen.json')!r}, 'w').write(json.dumps([sys.argv[1:], sys.stdin.read()]))\n"
    )
    program.chmod(0o755)
    script = EXPORTS["Command line"](outcome_of(values), ADDRESS)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    subprocess.run(["sh"], input=script, text=True, check=True)
    arguments, piped = json.loads((tmp_path / "seen.json").read_text())
    assert json.loads(piped) == turns_of(values)
    conversation = tmp_path / "conversation.json"
    conversation.write_text(piped)
    arguments[arguments.index("--conversation=/dev/stdin")] = f"--conversation={conversation}"
    monkeypatch.setattr(RewardScorer, "load", classmethod(lambda cls, config, tie_band=0.05: embedded_scorer))
    assert main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    pair = build_conversations(
        values.prompt, (values.response_a, values.response_b), values.system, values.earlier_turns
    )
    expected = embedded_scorer.compare_conversations(*pair)
    assert {**answer, "elapsed_s": 0} == {**expected.to_dict(), "elapsed_s": 0}

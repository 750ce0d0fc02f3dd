"""The command line: one JSON object on stdout, errors on stderr with exit code 2, each command wired."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import subprocess
import sys

import pytest
import torch

from inform_demo import cli, errors
from inform_demo.cli import main
from inform_demo.recipe.training_config import TrainingConfig
from inform_demo.scoring import RewardScorer
from inform_demo.types import Comparison
from tests.recipe.conftest import ROWS

PAIR = ["--response-a", "Canberra.", "--response-b", "Sydney."]
COMPARE = ["compare", "--prompt", "What is the capital of Australia?", *PAIR]


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch, embedded_scorer, request):
    if "real_load" not in request.keywords:
        monkeypatch.setattr(RewardScorer, "load", classmethod(lambda cls, config, tie_band=0.05: embedded_scorer))


def run(capsys, *arguments):
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_is_one_object_with_the_fields_of_a_comparison(capsys, embedded_scorer):
    code, out, _ = run(capsys, *COMPARE, "--json")
    answer = json.loads(out)
    assert code == 0
    assert list(answer) == [field.name for field in dataclasses.fields(Comparison)]
    expected = embedded_scorer.compare("What is the capital of Australia?", "Canberra.", "Sydney.").to_dict()
    assert {**answer, "elapsed_s": 0} == {**expected, "elapsed_s": 0}


def test_text_says_the_verdict_and_that_the_model_is_small(capsys):
    code, out, _ = run(capsys, *COMPARE)
    assert code == 0
    assert "margin" in out
    assert "small demonstration model, not INF-ORM-70B" in out


def test_system_prompt_and_earlier_turns_are_scored(capsys, tmp_path):
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi, how can I help?"}]
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(turns))
    whole = tmp_path / "whole.json"
    whole.write_text(
        json.dumps({"messages": [*turns, {"role": "user", "content": "What is the capital of Australia?"}]})
    )
    plain = json.loads(run(capsys, *COMPARE, "--json")[1])
    with_turns = json.loads(run(capsys, *COMPARE, "--json", "--conversation", str(earlier))[1])
    from_file = json.loads(run(capsys, "compare", *PAIR, "--json", "--conversation", str(whole))[1])
    with_system = json.loads(run(capsys, *COMPARE, "--json", "--system", "Be brief.")[1])
    assert with_turns["reward_a"] == from_file["reward_a"] != plain["reward_a"]
    assert with_turns["n_tokens_a"] > plain["n_tokens_a"]
    assert with_system["n_tokens_a"] > plain["n_tokens_a"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--prompt", " ", *PAIR], "The user turn is empty"),
        (["compare", *PAIR], "Expected a prompt"),
        (["compare", "--prompt", "p", "--response-a", "", "--response-b", "b"], "--response-a is empty"),
        ([*COMPARE, "--conversation", "nowhere.json"], "--conversation nowhere.json could not be read"),
        ([*COMPARE, "--system", ""], "The system turn is empty"),
        (["serve", "--tie-band", "2"], "tie_band must be in"),
        (["evaluate", "--data", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    ],
)
def test_a_users_fault_is_text_on_stderr_and_exit_code_2(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_two_system_turns_are_one_too_many(capsys, tmp_path):
    file = tmp_path / "turns.json"
    file.write_text(json.dumps([{"role": "system", "content": "s"}]))
    code, _, err = run(capsys, *COMPARE, "--system", "t", "--conversation", str(file))
    assert code == 2
    assert "give one of them" in err


@pytest.mark.real_load
def test_too_long_and_unknown_models_are_told_by_the_real_loader(capsys):
    code, _, err = run(capsys, *COMPARE, "--max-tokens", "5")
    assert code == 2
    assert "tokens; the limit is 5" in err
    code, _, err = run(capsys, *COMPARE, "--model", "./no/such/model")
    assert code == 2
    assert "no folder ./no/such/model" in err


def concrete_errors():
    defined = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]
    arguments = {
        "ConversationTooLongError": (9, 5),
        "DataError": ("bad row", "file.jsonl", 3),
        "MissingDependencyError": ("gguf", "Reading", "pip install gguf"),
        "NotEnoughMemoryError": (2**31, 2**30, "cpu", "Buy more."),
        "NoRoomError": (9, 2**31, 2**30, 5),
        "ScoringTimeoutError": (9, 120.0),
        "ModelStuckError": (300.0,),
        "NotEnoughDiskError": (2**31, 2**30, "The model", "Free some."),
    }
    return [error(*arguments.get(error.__name__, ("what went wrong",))) for error in defined]


@pytest.mark.parametrize("error", concrete_errors(), ids=lambda error: type(error).__name__)
def test_every_error_has_its_text(capsys, monkeypatch, error):
    def fail(options):
        raise error

    monkeypatch.setattr(cli, "run_compare", fail)
    code, out, err = run(capsys, *COMPARE)
    assert (code, out, err) == (2, "", f"inform-demo: {error}\n")


def test_ctrl_c_ends_quietly(capsys, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_compare", interrupt)
    assert run(capsys, *COMPARE) == (130, "", "")


def test_the_module_runs_and_tells_its_versions():
    done = subprocess.run(
        [sys.executable, "-m", "inform_demo", "--version"], capture_output=True, text=True, check=True
    )
    assert f"torch {torch.__version__}" in " ".join(done.stdout.split())


def subcommands():
    parser = cli.build_parser()
    action = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return action.choices


@pytest.mark.parametrize("name", sorted(subcommands()))
def test_every_command_has_help(capsys, name):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"usage: inform-demo {name}" in capsys.readouterr().out


def test_train_passes_its_options_and_has_the_configs_defaults(capsys, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("inform_demo.recipe.training.train", lambda config: seen.append(config) or tmp_path)
    needed = ["train", "--base", "b", "--data", "d1", "d2", "--output", "o"]
    main(needed)
    main([*needed, "--learning-rate", "0.5", "--skip-invalid", "--mix", "oasst=2", "synthetic-*=0.5"])
    plain = TrainingConfig(base=seen[0].base, data=seen[0].data, output=seen[0].output)
    assert seen[0] == plain
    assert [str(path) for path in plain.data] == ["d1", "d2"]
    assert seen[1] == dataclasses.replace(
        plain, learning_rate=0.5, skip_invalid=True, mix={"oasst": 2, "synthetic-*": 0.5}
    )
    with pytest.raises(SystemExit, match="2"):
        main([*needed, "--mix", "oasst"])
    assert "expected SOURCE=SHARE" in capsys.readouterr().err


def test_init_base_export_and_serve_are_wired(capsys, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("inform_demo.recipe.base.init_base", lambda *given: seen.append(given))
    monkeypatch.setattr("inform_demo.recipe.storage.export_float8", lambda *given: seen.append(given) or 2_000_000)
    monkeypatch.setattr("inform_demo.ui.layout.serve", lambda *given: seen.append(given))
    main(["init-base", "--output", str(tmp_path), "--layers", "3"])
    main(["export", "a", "b"])
    main(["serve", "--port", "8123", "--model", "owner/name"])
    assert seen[0][2] == 3
    assert [str(path) for path in seen[1]] == ["a", "b"]
    assert (seen[2][0].model, seen[2][1].port) == ("owner/name", 8123)
    assert "2.0 MB" in capsys.readouterr().out


def test_a_way_round_bad_rows_is_named_where_there_is_one(capsys, tmp_path):
    pairs_file = tmp_path / "pairs.jsonl"
    pairs_file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    judge = ("--judge", "j", "--base-url", "http://127.0.0.1:9/v1")
    annotate = ("annotate", "--data", str(pairs_file), "--output", str(tmp_path / "judged.jsonl"), *judge)
    log = tmp_path / "judged.jsonl.judgements.jsonl"
    log.write_text("no json\n")
    code, _, err = run(capsys, *annotate)
    assert code == 2
    assert f"{log}, line 1" in err
    assert "--skip-invalid" not in err
    pairs_file.write_text("no json\n")
    code, _, err = run(capsys, *annotate)
    assert code == 2
    assert f"{pairs_file}, line 1" in err
    assert "or leave such rows out with --skip-invalid" in err


def test_evaluate_prints_a_table_and_writes_json(capsys, tmp_path):
    def turns(answer):
        return [{"role": "user", "content": "Name a fruit."}, {"role": "assistant", "content": answer}]

    data = tmp_path / "pairs.jsonl"
    row = {"chosen": turns("An apple is a fruit."), "rejected": turns("x"), "magnitude": 2, "source": "fruit"}
    data.write_text(json.dumps(row) + "\nno json\n")
    code, out, _ = run(capsys, "evaluate", "--data", str(data), "--output", str(tmp_path / "r.json"), "--skip-invalid")
    assert code == 0
    assert "| fruit | 1 | " in out
    assert "1 invalid rows" in out
    recorded = json.loads((tmp_path / "r.json").read_text())
    assert (recorded["n_invalid"], recorded["subsets"][0]["longer_wins"]) == (1, 1.0)

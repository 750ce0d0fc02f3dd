"""The examples run as they stand and say something true."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from statistics import fmean, stdev

import pytest
import torch
from transformers import LlamaForCausalLM

from inform_demo.config import EMBEDDED_MODEL, ServeConfig
from inform_demo.recipe.evaluation import EvaluationConfig, item_key, read_items
from inform_demo.recipe.pairs import read_pairs
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.conftest import tiny_config
from tests.doubles import FakeScorer
from tests.recipe.conftest import row

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def with_the_embedded_model(monkeypatch, embedded_scorer):
    monkeypatch.setattr("inform_demo.load_scorer", lambda: embedded_scorer)


def test_compare_two_answers(capsys):
    runpy.run_path(str(EXAMPLES / "compare_two_answers.py"))
    assert "margin" in capsys.readouterr().out


def test_rank_many_answers(capsys):
    runpy.run_path(str(EXAMPLES / "rank_many_answers.py"))
    rewards = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert len(rewards) == 4
    assert rewards == sorted(rewards, reverse=True)


def test_call_the_api(capsys, monkeypatch):
    demo = build_demo(ScorerSlot(FakeScorer), ServeConfig())
    url = launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    try:
        monkeypatch.setattr(sys, "argv", ["call_the_api.py", url])
        runpy.run_path(str(EXAMPLES / "call_the_api.py"))
        # The fake scorer gives a tenth of a point a word: one word against three.
        assert "'margin': -0.2" in capsys.readouterr().out
    finally:
        demo.close(verbose=False)


def test_compare_results(capsys, monkeypatch, tmp_path):
    results = json.loads((EMBEDDED_MODEL / "results.json").read_text(encoding="utf-8"))
    first, *others = results["subsets"]
    better = {**results, "subsets": [{**first, "n_won": first["n_won"] + 0.1 * first["n"]}, *others]}
    for name, value in (("v1", results), ("v2", better), ("odd", {**results, "subsets": others})):
        (tmp_path / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    script = str(EXAMPLES / "compare_results.py")
    monkeypatch.setattr(sys, "argv", [script, "v1.json", "v2.json"])
    runpy.run_path(script)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["set (n)", "v1", "v2"]
    table = {name: [float(value) for value in values] for name, *values in lines[2:]}
    n_sets = len(results["subsets"])
    assert len(table) == n_sets + 4
    v1, v2 = table["**mean over the sets**"]
    assert v2 - v1 == pytest.approx(0.1 / n_sets, abs=1e-3)
    assert v1 == pytest.approx(sum(subset["accuracy"] for subset in results["subsets"]) / n_sets, abs=1e-3)
    monkeypatch.setattr(sys, "argv", [script, "v1.json", "odd.json"])
    with pytest.raises(SystemExit, match="different sets"):
        runpy.run_path(script)
    del results["subsets"][0]["n_prompts"]
    (tmp_path / "old.json").write_text(json.dumps(results), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [script, "old.json"])
    with pytest.raises(SystemExit, match="evaluate again"):
        runpy.run_path(script)


def scored(tmp_path, n_copies):
    """Pairs of five prompts, each as often as asked, and the logs of two models that are right about some of them."""
    first, second = (0, 0, 1, 0, 1), (1, 0, 1, 1, 0)
    rows = [row(f"p{i}", f"yes {copy}", f"no {copy}") for i in range(5) for copy in range(n_copies)]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    items = read_items(EvaluationConfig(data=data), None, None)
    for name, right in (("first", first), ("second", second)):
        rewards = [{item_key(item): [float(right[i // n_copies]), 0.5]} for i, item in enumerate(items)]
        lines = "".join(json.dumps(line) + "\n" for line in ({"model": name}, *rewards))
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return [second - first for first, second in zip(first, second, strict=True)]


@pytest.mark.parametrize("n_copies", [1, 6])
def test_compare_scores(capsys, monkeypatch, tmp_path, n_copies):
    """Copies of a pair tell nothing new: the interval stays that of five independent differences."""
    differences = scored(tmp_path, n_copies)
    monkeypatch.chdir(tmp_path)
    script = str(EXAMPLES / "compare_scores.py")
    monkeypatch.setattr(sys, "argv", [script, "pairs.jsonl", "first.jsonl", "second.jsonl"])
    runpy.run_path(script)
    out = capsys.readouterr().out
    mean, error = fmean(differences), stdev(differences) / 5**0.5
    assert "| first.jsonl | 0.400 |" in out
    low, high = mean - 1.96 * error, mean + 1.96 * error
    assert f"| second.jsonl | 0.600 | {mean:+.3f} | {low:+.3f} to {high:+.3f} |" in out
    assert f"{5 * n_copies} pairs of 5 prompts" in out
    lines = Path("second.jsonl").read_text(encoding="utf-8").splitlines()
    Path("second.jsonl").write_text("\n".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"lacks 1 of the {5 * n_copies} pairs"):
        runpy.run_path(script)


@pytest.fixture
def primes(tmp_path):
    """A file of three pairs of one prompt and two sources."""

    def turns(answer):
        return [{"role": "user", "content": "Name a prime."}, {"role": "assistant", "content": answer}]

    rows = [
        {
            "chosen": turns(f"{n} is a prime: only 1 and {n} divide it."),
            "rejected": turns("8."),
            "magnitude": 1,
            "source": source,
        }
        for n, source in ((2, "mine"), (3, "mine"), (5, "safety"))
    ]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return data


def test_make_non_answers(monkeypatch, tmp_path, primes):
    data, output = primes, tmp_path / "out.jsonl"
    script = str(EXAMPLES / "make_non_answers.py")
    monkeypatch.setattr(sys, "argv", [script, "50", str(data), str(output), "--without", "safety"])
    runpy.run_path(script, run_name="__main__")
    pairs = list(read_pairs(output))
    assert sorted(pair.chosen.response[:1] for pair in pairs) == ["2", "3"]
    assert {pair.source for pair in pairs} == {"non-answers"}
    assert not any(text in pair.rejected.response for pair in pairs for text in ("prime", "8."))


def test_make_base_answers(monkeypatch, tmp_path, primes, tokenizer):
    """A real, untrained Llama writes the worse answers."""
    torch.manual_seed(0)
    base, output = tmp_path / "base", tmp_path / "out.jsonl"
    LlamaForCausalLM(tiny_config(vocab_size=len(tokenizer))).save_pretrained(base)
    tokenizer.save_pretrained(base)
    script = str(EXAMPLES / "make_base_answers.py")
    monkeypatch.setattr(sys, "argv", [script, str(primes), str(output), "--take", "mi*=9", "--base", str(base)])
    names = runpy.run_path(script)
    names["main"]()
    pairs = list(read_pairs(output))
    assert sorted(pair.chosen.response[:1] for pair in pairs) == ["2", "3"]
    assert {pair.source for pair in pairs} == {"base-answers"}
    assert all(0.5 <= len(pair.rejected.response) / len(pair.chosen.response) <= 2 for pair in pairs)
    as_row = names["as_row"]
    assert as_row([], "A good answer.", "A good answer.") is None
    assert as_row([], "A good answer.", "Bad.") is None
    assert as_row([], "A good answer.", "") is None
    row = json.loads(as_row([], "A good answer.", "It is bad. " + 40 * "And on it goes, never to end"))
    assert row["rejected"][-1]["content"] == "It is bad."

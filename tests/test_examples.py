"""The three examples run as they stand and say something true."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer

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

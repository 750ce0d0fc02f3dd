"""Drift is arithmetic on two lists of margins; the scorers here have margins that are known."""

from __future__ import annotations

import json
import weakref

import pytest

from inform_demo.cli import main
from inform_demo.errors import ConversationTooLongError, DataError
from inform_demo.recipe.drift import measure_drift, plot_drift, read_some_pairs, render_drift
from inform_demo.types import PreferencePair, build_conversations
from tests.doubles import FakeScorer

MARGINS = {"bf16": [1.0, -0.5, 0.25, 0.0, 9.0], "int8": [1.5, 0.25, 0.25, 0.0, 9.0]}


class Known(FakeScorer):
    """Gives the margins of a list in turn; the last pair is too long for it."""

    def __init__(self, margins):
        super().__init__()
        self.margins = iter(margins)

    def compare_conversations(self, a, b):
        margin = next(self.margins)
        if margin == 9.0:
            raise ConversationTooLongError(9, 5)
        comparison = super().compare_conversations(a, b)
        return type(comparison)(**{**comparison.to_dict(), "margin": margin})


def pairs(n):
    return [PreferencePair(*build_conversations(f"p{i}", ("good", "bad")), 1, "s") for i in range(n)]


@pytest.fixture
def drift():
    return measure_drift(lambda precision: Known(MARGINS[precision]), pairs(5), "bf16", "int8", 3)


def test_the_numbers_are_those_of_the_margins(drift):
    assert (drift.n_pairs, drift.n_too_long, drift.n_invalid) == (4, 1, 3)
    assert drift.sign_agreement == 0.75
    assert drift.mean_change == pytest.approx((0.5 + 0.75) / 4)
    assert drift.largest_change == 0.75
    assert drift.mean_shift == pytest.approx(1.25 / 4)
    assert (drift.accuracy, drift.accuracy_against) == (0.5, 0.75)


def test_the_table_and_the_picture_say_so(drift, tmp_path):
    assert "| same sign | 75.00% |" in render_drift(drift)
    assert "4 pairs. Left out: 1 pairs over the token limit, 3 invalid rows." in render_drift(drift)
    plot_drift(drift, tmp_path / "drift.png")
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_model_is_gone_before_the_second_is_loaded():
    """Also one that holds itself, as accelerate's hooks make a model that is spread over GPUs."""
    loaded = []

    def load(precision):
        assert not [reference for reference in loaded if reference() is not None]
        scorer = Known(MARGINS[precision])
        scorer.itself = scorer
        loaded.append(weakref.ref(scorer))
        return scorer

    measure_drift(load, pairs(5), "bf16", "int8")
    assert len(loaded) == 2


def test_no_pair_within_the_limit_is_an_error():
    with pytest.raises(DataError, match="every pair is over the token limit"):
        measure_drift(lambda _: Known([9.0]), pairs(1), "bf16", "int8")


def test_a_file_without_a_pair_is_an_error(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"chosen": 1}\n')
    with pytest.raises(DataError, match="holds no pair"):
        read_some_pairs(file, None, skip_invalid=True)


def test_the_command_scores_the_embedded_model_in_two_precisions(tmp_path, capsys):
    file = tmp_path / "pairs.jsonl"
    turns = [{"role": "user", "content": "What is 2 + 2?"}]
    answers = [[*turns, {"role": "assistant", "content": text}] for text in ("It is 4.", "Bananas.", "Perhaps 5?")]
    rows = [{"chosen": answers[0], "rejected": other} for other in answers[1:]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plot = tmp_path / "drift.png"
    assert main(["drift", "--data", str(file), "--precision", "fp32", "--json", "--plot", str(plot)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["precision"], told["against"], told["n_pairs"]) == ("fp32", "int8", 2)
    assert 0 < told["mean_change"] <= told["largest_change"] < 1
    assert plot.stat().st_size > 1000
    assert main(["drift", "--data", str(tmp_path / "nowhere")]) == 2

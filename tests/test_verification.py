"""A verification passes for the model that was recorded and fails for one that has changed, whatever the reason."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

from inform_demo.checkpoint import PUBLISHED_70B
from inform_demo.cli import main
from inform_demo.config import EMBEDDED_MODEL, INFORM_70B, ModelConfig
from inform_demo.errors import CheckpointError
from inform_demo.types import Verification
from inform_demo.verification import PROMPT, RECORD, TOLERANCES, known_rewards, load_verified_scorer, verify
from tests.doubles import FakeScorer


@pytest.fixture
def checkpoint(tmp_path):
    """The embedded checkpoint in a folder of its own, which a test may damage."""
    return shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")


def test_the_embedded_model_gives_the_rewards_recorded_for_it(embedded_scorer):
    verification = verify(embedded_scorer, ModelConfig())
    assert verification is not None
    assert verification.passed, verification
    recorded = json.loads((EMBEDDED_MODEL / RECORD).read_text(encoding="utf-8"))
    assert list(verification.expected) == recorded["rewards"]


@pytest.mark.parametrize("precision", ["fp32", "int8", "nf4"])
def test_the_tolerances_hold_for_every_precision(precision, capsys):
    assert main(["verify", "--precision", precision]) == 0
    assert f"in {precision}: passed" in capsys.readouterr().out


def test_the_published_rewards_are_those_of_the_model_card():
    """Literals of the card, and the difference that a port may have on a GPU."""
    card = f"the model card of {INFORM_70B}"
    assert known_rewards(ModelConfig(model=INFORM_70B)) == ((4.96875, 2.890625), card, TOLERANCES["bf16"])


@pytest.fixture
def local_70b(tmp_path, monkeypatch):
    """A function that verifies a folder of the 70B model's shape, by its config and the rewards that it gives."""

    def check(rewards, precision="bf16", **changes):
        (tmp_path / "config.json").write_text(json.dumps({**PUBLISHED_70B, "model_type": "llama", **changes}))
        monkeypatch.setattr("inform_demo.verification.score_example", lambda _: rewards)
        scorer = FakeScorer()
        scorer._report = replace(scorer.report, precision=precision)
        return verify(scorer, ModelConfig(model=str(tmp_path)))

    return check


def test_the_published_model_in_a_folder_is_known_by_its_rewards(local_70b):
    verification = local_70b((4.9, 2.95))
    assert verification is not None
    assert verification.passed
    assert "model card of infly/INF-ORM-Llama3.1-70B, whose shape" in verification.reference


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
def test_another_model_of_that_shape_is_no_mismatch(local_70b, caplog, precision):
    assert local_70b((4.6, 2.9), precision) is None
    assert "For another model that is no fault" in caplog.text
    assert "--record" in caplog.text


def test_what_is_recorded_or_of_another_shape_is_never_held_to_the_card(local_70b, tmp_path):
    assert local_70b((4.97, 2.89), num_hidden_layers=79) is None
    (tmp_path / RECORD).write_text('{"rewards": [1.0, 2.0]}')
    verification = local_70b((4.97, 2.89))
    assert verification is not None
    assert (verification.passed, verification.reference) == (False, RECORD)


def test_a_changed_weight_is_found(checkpoint, capsys):
    assert main(["verify", "--model", str(checkpoint)]) == 0
    shard = checkpoint / "model-00002-of-00002.safetensors"
    weights = load_file(shard)
    weights["score.2.bias"] = weights["score.2.bias"] + 0.25
    save_file(weights, shard, metadata={"format": "pt"})
    capsys.readouterr()
    assert main(["verify", "--model", str(checkpoint)]) == 2
    told = capsys.readouterr()
    assert "FAILED" in told.out
    assert "off by 0.2" in told.out  # 0.25, rounded to bf16
    assert "do not trust its scores" in told.err


def test_a_model_that_nobody_recorded_can_be(checkpoint, capsys):
    (checkpoint / RECORD).unlink()
    assert main(["verify", "--model", str(checkpoint)]) == 2
    assert "--record" in capsys.readouterr().err
    assert main(["verify", "--model", str(checkpoint), "--record"]) == 0
    recorded, shipped = (json.loads((folder / RECORD).read_text()) for folder in (checkpoint, EMBEDDED_MODEL))
    # Another processor rounds bf16 in another order.
    assert recorded.pop("rewards") == pytest.approx(shipped.pop("rewards"), abs=TOLERANCES["bf16"])
    assert recorded == shipped
    assert main(["verify", "--model", str(checkpoint)]) == 0


def test_a_record_made_in_few_bits_does_not_fail_the_model_in_more(checkpoint, capsys):
    assert main(["verify", "--model", str(checkpoint), "--precision", "nf4", "--record"]) == 0
    assert json.loads((checkpoint / RECORD).read_text())["precision"] == "nf4"
    assert main(["verify", "--model", str(checkpoint), "--precision", "bf16"]) == 0
    assert "each may be off by 1.5" in capsys.readouterr().out


def test_the_shipped_record_is_not_overwritten_by_the_way(capsys):
    before = (EMBEDDED_MODEL / RECORD).read_bytes()
    assert main(["verify", "--record"]) == 2
    assert "name it by --model" in capsys.readouterr().err
    assert (EMBEDDED_MODEL / RECORD).read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"rewards": [1]}',
        '{"rewards": [1, "x"]}',
        '{"rewards": null}',
        '{"rewards": [1, 2], "precision": "x"}',
    ],
)
def test_a_broken_record_is_named(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(CheckpointError, match=RECORD):
        known_rewards(ModelConfig(model=str(tmp_path)))


@pytest.mark.parametrize(
    ("rewards", "passed"),
    [((1.0, 2.0), True), ((1.1, 1.9), True), ((1.11, 2.0), False), ((1.0, float("nan")), False)],
)
def test_each_reward_counts_and_what_is_not_finite_fails(rewards, passed):
    assert Verification((1.0, 2.0), 0.1000001, rewards, "a test").passed is passed


@pytest.fixture
def fake(monkeypatch):
    """What a load gives: a scorer that notes what it is asked."""
    scorer = FakeScorer()
    scorer.note_verification = lambda _: None
    monkeypatch.setattr("inform_demo.loading.load_model", lambda *_: ())
    monkeypatch.setattr("inform_demo.scoring.RewardScorer", lambda *_: scorer)
    return scorer


@pytest.mark.parametrize("model", [None, "owner/of-unknown-rewards"])
def test_a_model_has_made_one_visitors_pass_before_it_is_handed_out(fake, model):
    """Rewards known or not; with the trace, as the page asks for it."""
    load_verified_scorer(ModelConfig(model=model), 0.05)
    assert [prompt for prompt, *_ in fake.calls] == [PROMPT]


def test_a_limit_below_the_example_is_no_reason_not_to_serve(caplog):
    scorer = load_verified_scorer(ModelConfig(max_tokens=60), 0.05)
    assert scorer.report.verification is None
    assert scorer.compare("Hi", "Hello.", "No.").n_tokens_a < 60
    assert "neither warmed up nor verified" in caplog.text

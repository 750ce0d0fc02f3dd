"""Training learns, and computes the loss it says with the settings it was given."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys

import pytest
import torch

from inform_demo.errors import CheckpointError, ConfigError, DataError, MissingDependencyError
from inform_demo.recipe import training
from inform_demo.recipe.curves import _running_mean, plot_loss_curve
from inform_demo.recipe.dataset import EncodedPair, collate_pairs
from inform_demo.recipe.training import PairTrainer, train
from inform_demo.recipe.training_config import build_training_arguments
from tests.conftest import build_tiny_model
from tests.recipe.conftest import log_of, state_of, weights_of

PNG = b"\x89PNG\r\n\x1a\n"


def test_it_learns_the_pairs_and_leaves_the_embeddings(config):
    folder = train(dataclasses.replace(config, max_steps=40, save_steps=40))
    losses = [row["loss"] for row in log_of(config) if "loss" in row]
    assert losses[-1] < losses[0] / 3
    before, after = weights_of(config.base), weights_of(folder)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == before.keys() - {"model.embed_tokens.weight"}
    assert (config.output / "loss.png").read_bytes().startswith(PNG)


def test_the_trainer_is_set_up_before_the_model_is_loaded(config, monkeypatch):
    """A sharded model is read in one copy only where the process group exists, which the arguments start."""
    order = []
    for name in ("build_training_arguments", "_build_model"):
        monkeypatch.setattr(training, name, recorded(getattr(training, name), name, order))
    train(config)
    assert order == ["build_training_arguments", "_build_model"]


def recorded(function, name, order):
    def call(*arguments, **keywords):
        order.append(name)
        return function(*arguments, **keywords)

    return call


def test_several_gpus_want_a_process_each(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="accelerate launch"):
        build_training_arguments(config, has_holdout=False)


def test_a_base_that_is_none_is_named(config, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        train(dataclasses.replace(config, base=tmp_path / "nowhere"))


def test_lora_moves_few_weights_and_ends_in_a_plain_checkpoint(config):
    folder = train(dataclasses.replace(config, lora_rank=2, max_steps=40, save_steps=40, bf16=True))
    losses = [row["loss"] for row in log_of(config) if "loss" in row]
    assert losses[-1] < losses[0] / 2
    before, after = weights_of(config.base), weights_of(folder)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "_proj" in name or name.startswith("score.")}
    for name in moved:
        if "_proj" in name:
            difference = after[name].double() - before[name].double()
            assert torch.linalg.matrix_rank(difference, atol=1e-5) <= 2, name


def test_checkpointed_activations_give_the_same_gradients(config):
    gradients = {}
    for bf16, checkpointing in itertools.product((False, True), repeat=2):
        model = build_tiny_model().requires_grad_().train()
        changed = dataclasses.replace(config, gradient_checkpointing=checkpointing, bf16=bf16)
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        trainer = trainer_of(changed, model)
        trainer.compute_loss(trainer.accelerator.prepare(model), collate_pairs(PAIRS)).backward()
        gradients[bf16, checkpointing] = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    for bf16 in (False, True):
        assert torch.equal(gradients[bf16, False], gradients[bf16, True])
    similarity = torch.nn.functional.cosine_similarity(gradients[False, False], gradients[True, False], dim=0)
    assert 0.99 < similarity < 1 - 1e-6


def test_a_tracker_gets_the_same_curve(config):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(dataclasses.replace(config, report_to=("tensorboard",)))
    (events,) = config.output.glob("runs/*/events*")
    accumulator = EventAccumulator(str(events)).Reload()
    tracked = {event.step: event.value for event in accumulator.Scalars("train/loss")}
    assert tracked == pytest.approx({row["step"]: row["loss"] for row in log_of(config) if "loss" in row})
    with pytest.raises(MissingDependencyError, match="pip install codecarbon"):
        train(dataclasses.replace(config, report_to=("codecarbon",)))
    with pytest.raises(ConfigError, match=r"tensorboard, .*; got 'tensorbord'"):
        train(dataclasses.replace(config, report_to=("tensorbord",)))


def trainer_of(config, model):
    return PairTrainer(config, model=model, args=build_training_arguments(config, has_holdout=False), train_dataset=[0])


PAIRS = [EncodedPair([3, 4, 5, 6], [3, 4, 7], 10.0), EncodedPair([8, 9], [8, 10, 11], 1.0)]


def test_the_loss_of_a_batch_is_that_of_separate_passes(config):
    trainer = trainer_of(config, build_tiny_model())
    loss, outputs = trainer.compute_loss(trainer.model, collate_pairs(PAIRS), return_outputs=True)
    plain = build_tiny_model(attention="sdpa")
    rewards = [[plain(input_ids=torch.tensor([ids])).logits.item() for ids in (p.chosen, p.rejected)] for p in PAIRS]
    assert outputs["rewards"].flatten().tolist() == pytest.approx([r for pair in rewards for r in pair], abs=1e-5)
    by_hand = (
        sum(
            0.2 * pair.weight * torch.nn.functional.softplus(torch.tensor(r - c)).item()
            for pair, (c, r) in zip(PAIRS, rewards, strict=True)
        )
        / 2
        + 0.005 * sum(r * r for pair in rewards for r in pair) / 4
    )
    assert loss.item() == pytest.approx(by_hand, rel=1e-4)


def test_the_other_losses_reach_the_trainer(config):
    """Plain Bradley-Terry does not see magnitudes; the margin loss of a pair grows with its own."""
    heavier = [dataclasses.replace(pair, weight=pair.weight + 5) for pair in PAIRS]
    for loss, differs in (("bt", False), ("margin_bt", True), ("scaled_bt", True)):
        trainer = trainer_of(dataclasses.replace(config, loss=loss), build_tiny_model())
        light, heavy = (trainer.compute_loss(trainer.model, collate_pairs(pairs)).item() for pairs in (PAIRS, heavier))
        assert (heavy > light) is differs, loss


def test_bf16_multiplies_in_bf16_and_updates_float32(config):
    model = build_tiny_model().requires_grad_()
    trainer = trainer_of(dataclasses.replace(config, bf16=True), model)
    seen = {}
    for name in ("model.layers.0.mlp.up_proj", "model.norm", "score"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: output.dtype}))
    trainer.compute_loss(trainer.accelerator.prepare(model), collate_pairs(PAIRS)).backward()
    assert seen == {"model.layers.0.mlp.up_proj": torch.bfloat16, "model.norm": torch.float32, "score": torch.float32}
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in model.named_parameters() if "embed" not in name)


def test_backbone_and_head_have_their_own_learning_rates(config):
    changed = dataclasses.replace(config, learning_rate=0.1, head_learning_rate=0.2)
    model = build_tiny_model().requires_grad_()
    optimizer = trainer_of(changed, model).create_optimizer()
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == (0.2 if name.startswith("score.") else 0.1), name


def test_micro_batches_add_up_to_the_batch(config, tmp_path):
    """Loss and gradient norm are those of the whole batch, not their sum over the micro batches."""
    logged = []
    for name, n_pairs in (("whole", 12), ("parts", 4)):
        settings = {"max_steps": 10, "save_steps": 10, "batch_size": 12, "learning_rate": 1e-4}
        changed = dataclasses.replace(config, **settings, micro_batch_size=n_pairs, output=tmp_path / name)
        train(changed)
        logged.append(next(row for row in log_of(changed) if "loss" in row))
    assert logged[1]["loss"] == pytest.approx(logged[0]["loss"], rel=1e-2)
    assert logged[1]["grad_norm"] == pytest.approx(logged[0]["grad_norm"], rel=0.05)


def test_too_long_pairs_are_left_out_and_counted(config, caplog):
    with pytest.raises(DataError, match="of 12, 12 are longer than 3 tokens"):
        train(dataclasses.replace(config, max_tokens=3))


def test_the_mix_says_which_sources_are_trained_on(config, caplog):
    with pytest.raises(DataError, match="expected pairs to train on"):
        train(dataclasses.replace(config, mix={"*": 0}))
    with caplog.at_level("INFO", logger="inform_demo"):  # the command line, run by other tests, sets it there
        train(dataclasses.replace(config, mix={"*": 3}, max_steps=1))
        assert "36 pairs to train on, 0 held out" in caplog.text
        with pytest.raises(DataError, match="expected pairs to train on"):  # nor are they answers to mismatch
            train(dataclasses.replace(config, mix={"*": 0}, mismatched_fraction=0.5))


def test_held_out_pairs_are_measured(config):
    train(dataclasses.replace(config, holdout_fraction=0.3, max_steps=2, save_steps=1, mismatched_fraction=0.5))
    measured = [row for row in log_of(config) if "eval_accuracy" in row]
    assert measured
    assert 0 <= measured[-1]["eval_accuracy"] <= 1


def test_the_best_on_what_is_held_out_is_kept(config):
    """With steps this large the loss held out goes up and down; the model written is that of its lowest point."""
    rough = dataclasses.replace(config, holdout_fraction=0.4, learning_rate=0.05, max_steps=12, save_steps=1)
    train(dataclasses.replace(rough, output=config.output / "last"))
    folder = train(dataclasses.replace(rough, output=config.output / "best", keep_best=True))
    state = state_of(dataclasses.replace(config, output=config.output / "best"))
    losses = [row["eval_loss"] for row in state["log_history"] if "eval_loss" in row]
    assert len(losses) == 12
    assert min(losses) < losses[-1]
    assert state["best_global_step"] == 1 + losses.index(min(losses))
    kept = config.output / "best" / f"checkpoint-{state['best_global_step']}"
    assert all(torch.equal(weight, weights_of(kept)[name]) for name, weight in weights_of(folder).items())
    last = weights_of(config.output / "last" / "model")
    assert not all(torch.equal(weight, last[name]) for name, weight in weights_of(folder).items())


@pytest.mark.parametrize(
    "change",
    [
        {"data": ()},
        {"batch_size": 5, "micro_batch_size": 2},
        {"batch_size": 4, "micro_batch_size": 0},
        {"holdout_fraction": 1.0},
        {"mix": {"a": -1.0}},
        {"keep_best": True},
        {"max_steps": 0},
        {"epochs": 0.0},
        {"epochs": math.nan},
        {"learning_rate": -1e-4},
        {"warmup_steps": -1},
        {"mismatched_fraction": -0.04},
        {"magnitude_weights": {1: 1.0, 2: math.nan, 3: 10.0}},
        {"magnitude_weights": {1: 1.0, 2: -3.0, 3: 10.0}},
        {"max_tokens": 0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(config, change):
    with pytest.raises(ConfigError):
        dataclasses.replace(config, **change)


def test_the_curve_is_drawn_and_its_mean_is_unbiased(tmp_path):
    assert _running_mean([3.0] * 20) == pytest.approx([3.0] * 20)
    assert _running_mean([0.0, 10.0])[1] == pytest.approx(10 / 1.9)
    history = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}, {"step": 2, "eval_loss": 1.5, "eval_accuracy": 0.6}]
    plot_loss_curve(history, tmp_path / "sub" / "loss.png")
    assert (tmp_path / "sub" / "loss.png").read_bytes().startswith(PNG)


def test_without_matplotlib_the_pip_line_is_given(config, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"inform-demo\[train\]"):
        plot_loss_curve([], tmp_path / "loss.png")
    with pytest.raises(MissingDependencyError, match=r"inform-demo\[train\]"):
        train(config)
    assert not config.output.exists(), "not at the first log, when steps are lost"

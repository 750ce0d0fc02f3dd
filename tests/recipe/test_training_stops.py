"""A training that was stopped, or killed, goes on as if it had not been; one with other settings does not."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from inform_demo.errors import ConfigError
from inform_demo.recipe.training import PairTrainer, last_whole_save, train
from tests.recipe.conftest import log_of, state_of, weights_of


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(config, monkeypatch, tmp_path, lora_rank):
    config = dataclasses.replace(config, lora_rank=lora_rank)
    whole = train(dataclasses.replace(config, output=tmp_path / "whole"))
    step = PairTrainer.training_step

    def killed_at_16(self, *arguments, **keywords):
        if self.state.global_step == 16:
            raise KeyboardInterrupt
        return step(self, *arguments, **keywords)

    monkeypatch.setattr(PairTrainer, "training_step", killed_at_16)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    monkeypatch.undo()
    resumed = weights_of(train(config))
    losses, unbroken = (
        [row["loss"] for row in log_of(run) if "loss" in row]
        for run in (config, dataclasses.replace(config, output=tmp_path / "whole"))
    )
    assert losses == pytest.approx(unbroken, abs=1e-6)
    for name, tensor in weights_of(whole).items():
        assert torch.allclose(tensor, resumed[name], rtol=0, atol=1e-6), name


def test_a_save_that_a_kill_cut_short_is_passed_over(config):
    train(config)
    whole, cut = config.output / "checkpoint-24", config.output / "checkpoint-36"
    cut.mkdir()
    shutil.copy(whole / "model.safetensors", cut)  # the weights come first, the state last
    assert last_whole_save(config.output) == str(whole)
    folder = train(dataclasses.replace(config, max_steps=36))
    assert state_of(config)["global_step"] == 36
    assert (folder / "model.safetensors").is_file()


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on(config):
    script = """
import os, pickle, signal, sys
from inform_demo.recipe.training import PairTrainer, train
step = PairTrainer.training_step
def killed_at_16(self, *arguments, **keywords):
    if self.state.global_step == 16:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *arguments, **keywords)
PairTrainer.training_step = killed_at_16
train(pickle.load(sys.stdin.buffer))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, input=pickle.dumps(config), check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert not (config.output / "model").exists()
    train(config)
    assert state_of(config)["global_step"] == 24


def test_a_run_goes_on_with_its_own_settings_only(config):
    train(config)
    changed = dataclasses.replace(config, loss="bt", learning_rate=1e-3, max_steps=30)
    with pytest.raises(ConfigError, match=r"learning_rate \(was 0.003, is 0.001\); loss \(was scaled_bt, is bt\)"):
        train(changed)
    assert state_of(config)["global_step"] == 24


def test_a_run_goes_on_with_its_own_data_wherever_that_lies_now(config, tmp_path):
    train(config)
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(config.data[0].read_bytes())
    train(dataclasses.replace(config, data=(moved,), max_steps=30))
    assert state_of(config)["global_step"] == 30
    lines = moved.read_text(encoding="utf-8").splitlines(keepends=True)
    moved.write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a run with other settings: data"):
        train(dataclasses.replace(config, data=(moved,), max_steps=36))
    assert state_of(config)["global_step"] == 30

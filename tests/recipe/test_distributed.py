"""Two processes train as one does, a sharded model has a whole one's loss and gradients, the shipped files fit.

What accelerate does with several GPUs it does not do without any, so that the processes are started by torch's own
launcher, which is also what `accelerate launch` starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from inform_demo.errors import ConfigError
from inform_demo.recipe.training import train
from inform_demo.recipe.training_config import TrainingConfig
from tests.conftest import build_tiny_model
from tests.recipe.conftest import ROWS

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted((ROOT / "examples/fsdp").glob("*.yaml"))


def launch_two(*arguments: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, "-m", "tests.recipe.distributed_worker", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def test_two_processes_train_as_one_with_batches_of_both(tiny_base, tmp_path):
    pairs_file = tmp_path / "eight.jsonl"  # as many as a batch: of a batch that is not full, two make up another two
    pairs_file.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:8]))
    settings = {"base": str(tiny_base), "data": str(pairs_file), "max_steps": 6, "batch_size": 8, "save_steps": 6}
    settings |= {"micro_batch_size": 4, "warmup_steps": 1, "holdout_fraction": 0, "bf16": False}
    paths = {"base": tiny_base, "data": (pairs_file,), "output": tmp_path / "one"}
    alone = train(TrainingConfig(**{**settings, **paths, "micro_batch_size": 8}))
    said = launch_two("train", json.dumps({**settings, "output": str(tmp_path / "two")}))
    one, two = (load_file(folder / "model.safetensors") for folder in (alone, tmp_path / "two/model"))
    start = load_file(tiny_base / "model.safetensors")
    for name, weights in one.items():
        assert torch.allclose(weights, two[name], rtol=0, atol=2e-5), name
    assert max((weights - start[name]).abs().max().item() for name, weights in one.items()) > 1e-3
    assert said.count("pairs to train on") == 1, "one process speaks for both"


def test_a_sharded_model_has_the_loss_and_gradients_of_a_whole_one(tiny_base, tmp_path):
    launch_two("fsdp", str(tiny_base), str(tmp_path / "result.json"))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["local"] < 0.6 * result["whole"]
    assert max(result["worst"].values()) < 1e-6, result["worst"]
    assert len(result["worst"]) > 20


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_the_shipped_configurations_are_accelerates_and_fit_the_model(file):
    configuration = load_config_from_file(str(file))
    layer = configuration.fsdp_config["fsdp_transformer_layer_cls_to_wrap"]
    assert layer in {type(module).__name__ for module in build_tiny_model().modules()}
    assert str(configuration.num_processes) in file.stem
    assert configuration.num_processes == 8 * configuration.num_machines


def test_there_are_configurations_for_8_and_16_gpus():
    assert [file.stem for file in CONFIGURATIONS] == ["16_gpus", "8_gpus"]


def test_a_batch_that_the_devices_cannot_share_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="number of devices; got 16, 8 and 3"):
        TrainingConfig(base=tmp_path, data=(tmp_path,), output=tmp_path, batch_size=16, micro_batch_size=8)

"""One of several processes that train together; `test_distributed` starts it by torch's launcher.

`train SETTINGS` runs a training; `fsdp BASE RESULT` writes how far loss and gradients of a sharded model are from those
of a whole one.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import fully_shard

from inform_demo.attention import TREE_ATTENTION
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.recipe.dataset import EncodedPair, collate_pairs
from inform_demo.recipe.loss import preference_loss
from inform_demo.recipe.training import train
from inform_demo.recipe.training_config import TrainingConfig

PAIRS = [EncodedPair([3, 4, 5, 6], [3, 4, 7], 10.0), EncodedPair([8, 9], [8, 10, 11], 1.0)]


def run_training(settings: str) -> None:
    values = json.loads(settings)
    paths = {"base": Path(values.pop("base")), "output": Path(values.pop("output"))}
    train(TrainingConfig(data=(Path(values.pop("data")),), **paths, **values))


def run_fsdp(base: str, result: str) -> None:
    dist.init_process_group("gloo")
    # Only the first process reads the weights, as the shipped configurations have it; the others start empty.
    os.environ.update(ACCELERATE_USE_FSDP="true", FSDP_CPU_RAM_EFFICIENT_LOADING="true")
    model = INFORMForSequenceClassification.from_pretrained(
        base, dtype=torch.float32, attn_implementation=TREE_ATTENTION
    )
    is_first = dist.get_rank() == 0
    expected = {}
    if is_first:
        whole = INFORMForSequenceClassification.from_pretrained(
            base, dtype=torch.float32, attn_implementation=TREE_ATTENTION
        )
        expected = {"loss": loss_of(whole)}
        expected["loss"].backward()
        expected |= {name: parameter.grad for name, parameter in whole.named_parameters()}
    weights = model.state_dict() if is_first else {}
    for layer in model.model.layers:
        fully_shard(layer)
    fully_shard(model)
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))
    loss = loss_of(model)
    loss.backward()
    gathered = {name: parameter.grad.full_tensor() for name, parameter in model.named_parameters()} | {"loss": loss}
    shares = [parameter.to_local().numel() for parameter in model.parameters()]
    if is_first:
        worst = {name: (gathered[name] - expected[name]).abs().max().item() for name in expected}
        sizes = {"local": sum(shares), "whole": sum(parameter.numel() for parameter in model.parameters())}
        Path(result).write_text(json.dumps({"worst": worst, **sizes}), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


def loss_of(model: torch.nn.Module) -> torch.Tensor:
    batch = collate_pairs(PAIRS)
    rewards_P2 = model.train()(pack=batch["pack"]).logits.view(-1, 2)
    return preference_loss(rewards_P2[:, 0], rewards_P2[:, 1], batch["weight_P"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    {"train": run_training, "fsdp": run_fsdp}[sys.argv[1]](*sys.argv[2:])

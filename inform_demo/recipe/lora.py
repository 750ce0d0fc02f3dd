"""Low-rank adaptation (LoRA) of the backbone, by peft: train few weights, end with a plain checkpoint.

Knows peft and the model; imported only where it is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from inform_demo.errors import MissingDependencyError
from inform_demo.modeling import INFORMForSequenceClassification


def add_lora(model: INFORMForSequenceClassification, rank: int, alpha: float) -> torch.nn.Module:
    """The model with additions of this rank to each matrix of its layers; they and the score head alone are trained.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    peft = _import_peft()
    layers = r"model\.layers\..*_proj"  # not the score head, which is new and small: it is trained whole
    adapted: torch.nn.Module = peft.get_peft_model(
        model, peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=layers, modules_to_save=["score.0", "score.2"])
    )
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # steps of 1e-4 are rounded away in bf16
    return adapted


def merge_lora(base: Path, adapter: Path, folder: Path) -> None:
    """Add a trained adapter's products to the base's weights, once and in float32, and write a plain checkpoint."""
    model = INFORMForSequenceClassification.from_pretrained(base, dtype=torch.float32)
    merged = _import_peft().PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(folder)
    PreTrainedTokenizerFast.from_pretrained(base).save_pretrained(folder)


def _import_peft() -> Any:
    try:
        import peft
    except ImportError:
        raise MissingDependencyError("peft", "--lora-rank", "pip install 'inform-demo[train]'") from None
    return peft

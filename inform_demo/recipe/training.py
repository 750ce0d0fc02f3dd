"""Scaled Bradley-Terry training of a reward model on preference pairs, on transformers' own Trainer.

A batch of pairs is one pack of prefix trees, the same plan the scorer uses: a pair's common start is computed once and
there is no padding. Knows the model, the loss and the pairs; it does not score for users and draws no page.

TRL's RewardTrainer was looked at: it has no weight a pair and drops a magnitude column.
Shape suffix: P pairs.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction, PreTrainedTokenizerFast, Trainer, TrainerCallback, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from inform_demo.attention import TREE_ATTENTION
from inform_demo.chat import ChatEncoder
from inform_demo.checkpoint import as_checkpoint_error
from inform_demo.errors import DataError
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.packing import Pack
from inform_demo.recipe.curves import import_figure, plot_loss_curve
from inform_demo.recipe.dataset import PairDataset, collate_pairs
from inform_demo.recipe.lora import add_lora, merge_lora
from inform_demo.recipe.loss import preference_loss
from inform_demo.recipe.pairs import build_mismatched_pairs, mix_sources, read_pairs, split_pairs
from inform_demo.recipe.training_config import (
    TrainingConfig,
    build_training_arguments,
    is_main_process,
    keep_settings,
)

logger = logging.getLogger(__name__)


class PairTrainer(Trainer):
    """Trainer with the scaled Bradley-Terry loss over packed pairs and a learning rate of its own for the head."""

    # The loss is a mean over the micro batch, so the Trainer has to divide it by the accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(self, config: TrainingConfig, **kwargs: Any) -> None:
        self.config = config
        super().__init__(**kwargs)
        self.can_return_loss = True

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The loss of one micro batch, and with `return_outputs` also `{"rewards": (P, 2)}`."""
        pack: Pack = inputs["pack"].to(self.args.device)
        rewards_P2 = model(pack=pack).logits.view(-1, 2)
        loss = preference_loss(
            rewards_P2[:, 0],
            rewards_P2[:, 1],
            inputs["weight_P"].to(rewards_P2.device),
            loss=self.config.loss,
            loss_scale=self.config.loss_scale,
            center_coefficient=self.config.center_coefficient,
        )
        return (loss, {"rewards": rewards_P2}) if return_outputs else loss

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Loss and rewards of one batch held out; the weights stand in for labels, which pairs do not have."""
        with torch.no_grad():
            loss, outputs = self.compute_loss(model, inputs, return_outputs=True)
        return loss.detach(), outputs["rewards"], inputs["weight_P"]

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW in four groups: backbone and head, each with and without weight decay."""
        if self.optimizer is None:
            module = model or self.model
            assert module is not None, "the Trainer was given a model"
            decay = set(self.get_decay_parameter_names(module))
            groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    groups.setdefault((".score." in f".{name}", name in decay), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [
                    {
                        "params": parameters,
                        "lr": self.config.head_learning_rate if is_head else self.config.learning_rate,
                        "weight_decay": self.config.weight_decay if decays else 0.0,
                    }
                    for (is_head, decays), parameters in groups.items()
                ],
                betas=(0.9, 0.98),
            )
        return self.optimizer


class LossCurve(TrainerCallback):
    """Draws the curve anew at every log, so that a long run can be watched as a picture."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the Trainer."""
        if state.is_world_process_zero:
            plot_loss_curve(state.log_history, self.path)


def train(config: TrainingConfig) -> Path:
    """Train, or go on where a stopped run left off, and write the checkpoint; returns its folder.

    Raises:
        ConfigError: the output holds a run with other settings.
        DataError: no pair is left to train on, or a row is no pair.
        CheckpointError: the base is broken or of another architecture.
        MissingDependencyError: there is nothing to draw the curve with.
    """
    import_figure()  # not at the first log, hours later
    set_seed(config.seed)
    with as_checkpoint_error(str(config.base), "its tokenizer could not be read"):
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(config.base)
    train_set, holdout_set = _build_datasets(config, ChatEncoder(tokenizer, config.max_tokens))
    if config.keep_best and not len(holdout_set):
        raise DataError("expected pairs to hold out, to keep the best by; found none", ", ".join(map(str, config.data)))
    # Before the model: they start the process group, and only where there is one does a sharded model load in one copy.
    arguments = build_training_arguments(config, has_holdout=len(holdout_set) > 0)
    last = last_whole_save(config.output)
    if is_main_process():
        keep_settings(config, goes_on=last is not None)
    if last:
        logger.info("Going on from %s.", last)
    trainer = PairTrainer(
        config,
        model=_build_model(config),
        args=arguments,
        train_dataset=train_set,
        eval_dataset=holdout_set if len(holdout_set) else None,
        data_collator=collate_pairs,
        compute_metrics=_accuracy,
        processing_class=tokenizer,
        callbacks=[LossCurve(config.output / "loss.png")],
    )
    trainer.train(resume_from_checkpoint=last)
    folder = config.output / "model"
    if not config.lora_rank:
        trainer.save_model(str(folder))
        return folder
    adapter = config.output / "adapter"
    trainer.save_model(str(adapter))
    if trainer.is_world_process_zero():
        merge_lora(config.base, adapter, folder)
    return folder


def last_whole_save(output: Path) -> str | None:
    """The newest save to go on from; one that a kill cut short lacks the Trainer's state, which is written last."""
    saves = [state.parent for state in output.glob(f"{PREFIX_CHECKPOINT_DIR}-*/{TRAINER_STATE_NAME}")]
    return str(max(saves, key=lambda save: int(save.name.rpartition("-")[2]))) if saves else None


def _build_model(config: TrainingConfig) -> torch.nn.Module:
    # What LoRA leaves as it is needs no more than bf16; what an optimizer moves does.
    dtype = torch.bfloat16 if config.lora_rank and config.bf16 else torch.float32
    with as_checkpoint_error(str(config.base), "its weights could not be read"):
        model = INFORMForSequenceClassification.from_pretrained(
            config.base, dtype=dtype, attn_implementation=TREE_ATTENTION
        )
    model.model.embed_tokens.requires_grad_(not config.freeze_embeddings)
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})  # the other way wants inputs with gradients
    return add_lora(model, config.lora_rank, config.lora_alpha) if config.lora_rank else model


def _build_datasets(config: TrainingConfig, chat: ChatEncoder) -> tuple[PairDataset, PairDataset]:
    skipped: list[DataError] | None = [] if config.skip_invalid else None
    pairs = [pair for path in config.data for pair in read_pairs(path, skipped, config.magnitudes)]
    for error in skipped or ():
        logger.warning("Left out: %s", error)
    train_pairs, holdout_pairs = split_pairs(pairs, config.holdout_fraction)
    train_pairs = mix_sources(train_pairs, config.mix, config.seed)
    n_mismatched = round(config.mismatched_fraction * len(train_pairs))
    train_pairs += build_mismatched_pairs(train_pairs, n_mismatched, config.seed)
    datasets = [PairDataset(side, chat, config.magnitude_weights) for side in (train_pairs, holdout_pairs)]
    n_too_long = sum(dataset.n_too_long for dataset in datasets)
    logger.log(
        logging.INFO if is_main_process() else logging.DEBUG,
        "%d pairs to train on, %d held out, %d left out because a conversation has more than %d tokens, %d as invalid.",
        *map(len, datasets),
        n_too_long,
        config.max_tokens,
        len(skipped or ()),
    )
    if not len(datasets[0]):
        raise DataError(
            f"expected pairs to train on; of {len(pairs)}, {n_too_long} are longer than {config.max_tokens} tokens",
            ", ".join(map(str, config.data)),
        )
    return datasets[0], datasets[1]


def _accuracy(prediction: EvalPrediction) -> dict[str, float]:
    rewards_P2 = np.asarray(prediction.predictions)
    return {"accuracy": float((rewards_P2[:, 0] > rewards_P2[:, 1]).mean())}

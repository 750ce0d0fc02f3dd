"""The settings of a training run, and what transformers' Trainer is told of them. Knows no model and no pairs."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations

from inform_demo.errors import ConfigError, MissingDependencyError
from inform_demo.recipe.loss import MAGNITUDE_WEIGHTS, Loss
from inform_demo.recipe.pairs import Magnitudes

# Settings that a run may go on with when they have changed: they say how long, where and how fast, not what is learnt.
_MAY_CHANGE = {
    *("output", "report_to", "epochs", "max_steps", "save_steps", "keep_best", "skip_invalid"),
    *("micro_batch_size", "gradient_checkpointing"),
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run; every field but freeze_embeddings and bf16 is an option of `inform-demo train`.

    Attributes:
        base: folder to start from, with weights, tokenizer and chat template.
        data: one or more .jsonl or .jsonl.gz files of pairs.
        output: folder for the trained checkpoint, the resumable state and the loss curve.
        learning_rate, head_learning_rate: peaks of the backbone and of the fresh head, which needs a larger one.
        batch_size: pairs an optimizer step, over all devices.
        micro_batch_size: pairs a forward pass on one device; times the devices it divides batch_size.
        max_tokens: pairs with a longer conversation are left out, counted and reported; none is truncated.
        loss: see `preference_loss`.
        center_coefficient: of the mean squared reward, which is added so that rewards stay around 0; 0 for none.
        loss_scale: alpha; 0.2 brings the weights 1, 3, 10 back to about one on average.
        holdout_fraction: share of the prompts held out, to make choices on without the evaluation files.
        mix: how often a pass takes each source's pairs, see `mix_sources`; what is held out stays as it is.
        mismatched_fraction: adds this share of the training pairs, as `mix` leaves them, as pairs that length cannot
            tell apart, see `build_mismatched_pairs`.
        magnitudes: what the files' magnitude column holds, see `read_pairs`.
        skip_invalid: leave rows out that are no pair, and report them, instead of stopping at the first.
        freeze_embeddings: leave the token embeddings as they are.
        bf16: multiply in bf16 (autocast); residual stream, score head, weights and optimizer stay in float32.
        gradient_checkpointing: compute activations twice instead of keeping them; slower, and far less memory.
        lora_rank: where above 0, only the head and low-rank additions (LoRA) to the backbone's matrices are trained,
            and merged into the checkpoint at the end. lora_alpha: their scale is lora_alpha / lora_rank.
        report_to: trackers that get the curves too, as transformers names them, such as "tensorboard".
        keep_best: the checkpoint is the one, of those measured every save_steps and at the end, with the lowest loss on
            what is held out, instead of the last: small data is learnt by heart sooner than it is learnt.
        save_steps: a run that is stopped goes on from the last multiple of this.
    """

    base: Path
    data: tuple[Path, ...]
    output: Path
    epochs: float = 2.0
    max_steps: int = -1
    learning_rate: float = 1e-4
    head_learning_rate: float = 5e-4
    warmup_steps: int = 30
    weight_decay: float = 0.01
    batch_size: int = 16
    micro_batch_size: int = 16
    max_tokens: int = 1024
    loss: Loss = "scaled_bt"
    loss_scale: float = 0.2
    center_coefficient: float = 0.005
    magnitude_weights: Mapping[int, float] = field(default_factory=lambda: dict(MAGNITUDE_WEIGHTS))
    holdout_fraction: float = 0.03
    mix: Mapping[str, float] = field(default_factory=dict)
    mismatched_fraction: float = 0.0
    magnitudes: Magnitudes = "raw"
    skip_invalid: bool = False
    freeze_embeddings: bool = True
    bf16: bool = True
    gradient_checkpointing: bool = False
    lora_rank: int = 0
    lora_alpha: float = 32.0
    report_to: tuple[str, ...] = ()
    keep_best: bool = False
    save_steps: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.data:
            raise ConfigError("Training needs at least one file of pairs.")
        if min(self.batch_size, self.micro_batch_size, self.save_steps) < 1:
            raise ConfigError(
                "batch_size, micro_batch_size and save_steps must be 1 or more; "
                f"got {self.batch_size}, {self.micro_batch_size} and {self.save_steps}."
            )
        self._check_ranges()
        if self.batch_size % (self.micro_batch_size * n_devices()):
            raise ConfigError(
                "batch_size must be a multiple of micro_batch_size times the number of devices; "
                f"got {self.batch_size}, {self.micro_batch_size} and {n_devices()}."
            )
        if self.keep_best and not self.holdout_fraction:
            raise ConfigError("keep_best goes by what is held out; give holdout_fraction more than 0.")
        if not all(0 <= share < math.inf for share in self.mix.values()):
            raise ConfigError(f"mix must give each source a share of at least 0; got {dict(self.mix)}.")

    def _check_ranges(self) -> None:
        """Each number by itself; NaN lies in no range."""
        if self.max_steps != -1 and self.max_steps < 1:
            raise ConfigError(f"max_steps must be 1 or more, or -1 to go by epochs; got {self.max_steps}.")
        for name in ("epochs", "learning_rate", "head_learning_rate", "loss_scale", "lora_alpha"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be more than 0; got {getattr(self, name)}.")
        for name in ("warmup_steps", "weight_decay", "center_coefficient", "lora_rank"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be 0 or more; got {getattr(self, name)}.")
        for name in ("holdout_fraction", "mismatched_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in [0, 1); got {getattr(self, name)}.")
        if not all(0 <= weight < math.inf for weight in self.magnitude_weights.values()):
            raise ConfigError(f"magnitude_weights must be 0 or more; got {dict(self.magnitude_weights)}.")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens must be 1 or more; got {self.max_tokens}.")


def n_devices() -> int:
    """Processes of this run, one a device; more than one where a launcher such as `accelerate launch` started it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this is the one process of a run that speaks for all."""
    return os.environ.get("RANK", "0") == "0"


def keep_settings(config: TrainingConfig, goes_on: bool) -> None:
    """Write down what a run is trained with and, where it goes on, check that it is still that.

    Raises:
        ConfigError: the run was begun with other settings.
    """
    file = config.output / "settings.json"
    settings = {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in vars(config).items()
        if name not in _MAY_CHANGE
    }
    # By content, since a file may have been moved, or made anew. Of the base, which may be large, the place has to do:
    # a run that goes on has its weights from its own save.
    settings["data"] = "sha256 " + " ".join(map(_digest, config.data))
    settings["base"] = str(config.base.resolve())
    if goes_on and file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        changed = [
            f"{name} (was {before.get(name)}, is {value})"
            for name, value in settings.items()
            if before.get(name) != value
        ]
        if changed:
            raise ConfigError(
                f"{config.output} holds a run with other settings: {'; '.join(changed)}. "
                "Give those again to go on, or name another folder by --output."
            )
    config.output.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _check_trackers(trackers: tuple[str, ...]) -> None:
    for tracker in trackers:
        if tracker not in INTEGRATION_TO_CALLBACK:
            raise ConfigError(f"--report-to must be of {', '.join(sorted(INTEGRATION_TO_CALLBACK))}; got {tracker!r}.")
        if tracker not in get_available_reporting_integrations():
            raise MissingDependencyError(tracker, f"--report-to {tracker}", f"pip install {tracker}")


def build_training_arguments(config: TrainingConfig, has_holdout: bool) -> TrainingArguments:
    """What transformers' Trainer has to know of a run.

    Raises:
        ConfigError: one process sees several GPUs, which the Trainer would split a pack over; or a tracker is unknown.
        MissingDependencyError: a tracker was asked for that is not installed.
    """
    if n_devices() == 1 and torch.cuda.device_count() > 1:
        raise ConfigError(
            f"{torch.cuda.device_count()} GPUs are in sight of one process. Start a process for each by "
            "`accelerate launch` (examples/fsdp), or show it one by CUDA_VISIBLE_DEVICES=0."
        )
    _check_trackers(config.report_to)
    return TrainingArguments(
        output_dir=str(config.output),
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.micro_batch_size,
        per_device_eval_batch_size=config.micro_batch_size,
        gradient_accumulation_steps=config.batch_size // (config.micro_batch_size * n_devices()),
        use_cpu=not torch.accelerator.is_available(),
        bf16=config.bf16,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        seed=config.seed,
        # Divides save_steps, because a run that goes on from a save does not know the losses since the log before it.
        logging_steps=math.gcd(10, config.save_steps),
        save_steps=config.save_steps,
        save_total_limit=2,
        eval_strategy="steps" if has_holdout else "no",
        eval_steps=config.save_steps,
        load_best_model_at_end=config.keep_best,
        metric_for_best_model="loss" if config.keep_best else None,
        report_to=list(config.report_to),
        remove_unused_columns=False,
        label_names=[],
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
    )

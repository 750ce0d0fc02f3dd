"""A copy of a checkpoint stored in 8 or 4 bits: fewer bytes to read, and nothing to quantise when it is loaded.

The score head stays as it is. What was written is loaded again and has to give the rewards that the model gave before.
Knows loading and files; no page.
"""

from __future__ import annotations

import gc
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedTokenizerFast

from inform_demo.config import ModelConfig
from inform_demo.errors import CheckpointError, ConfigError, NotEnoughDiskError
from inform_demo.loading import load_model, quiet_transformers
from inform_demo.scoring import RewardScorer
from inform_demo.verification import RECORD, known_rewards, score_example

logger = logging.getLogger(__name__)

# How far a reward of the copy may be from the model's it was made from: the weights are the same bytes.
_TOLERANCE = 1e-3


def quantize(config: ModelConfig, output: Path) -> Path:
    """Write a copy of a model in the precision of its config, int8 or nf4; what is known of its rewards goes along.

    Returns:
        The folder, which did not exist before; it appears when all of it is written.

    Raises:
        ConfigError: the precision is none of the two, or the output exists.
        LoadError: the model cannot be loaded, or there is no room for the copy.
        CheckpointError: the copy does not give the rewards of the model.
    """
    if config.precision not in {"int8", "nf4"}:
        raise ConfigError(f"--precision must be int8 or nf4 for a quantised copy; got {config.precision}.")
    if output.exists():
        raise ConfigError(f"{output} already exists; name another folder or remove it.")
    known = known_rewards(config)
    model, chat, report = load_model(config)
    output.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(output.parent).free
    # Beside its weights a quantised matrix has scales, which are no parameters.
    needed = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if needed > free:
        raise NotEnoughDiskError(needed, free, f"{output}", "Free some, or name a folder elsewhere.")
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a run that was killed left behind
    try:
        model.config._name_or_path = ""  # noqa: SLF001 - or the path of this machine is written into config.json
        with quiet_transformers(), _full_disk_as_error(output, needed):
            model.save_pretrained(partial)
        # Not before it is saved: bitsandbytes lays nf4 out anew in the first forward on a CPU, and rounds the scales.
        rewards = score_example(RewardScorer(model, chat, report))
        PreTrainedTokenizerFast.from_pretrained(config.source, revision=config.revision).save_pretrained(partial)
        if known:
            record = {"rewards": known[0], "reference": known[1]}
            (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        del model, chat
        gc.collect()
        _check_copy(partial, rewards)
        partial.rename(output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return output


@contextmanager
def _full_disk_as_error(output: Path, needed: int) -> Iterator[None]:
    """Somebody else may have filled the disk since it was looked at; safetensors has no errno, only the words."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if "No space left" not in str(error):
            raise
        free = shutil.disk_usage(output.parent).free
        raise NotEnoughDiskError(needed, free, f"{output}", "Free some, or name a folder elsewhere.") from error


def _check_copy(folder: Path, expected: tuple[float, float]) -> None:
    logger.info("Loading the copy again.")
    got = score_example(RewardScorer(*load_model(ModelConfig(model=str(folder)))))
    if any(abs(one - other) > _TOLERANCE for one, other in zip(got, expected, strict=True)):
        raise CheckpointError(f"The copy gives the rewards {got}, and the model it was made from {expected}.")

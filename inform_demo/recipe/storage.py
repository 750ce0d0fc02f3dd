"""Store a checkpoint small enough for a repository: the backbone's matrices as float8, the rest in bf16.

Plain `from_pretrained` loads the result: transformers casts float8 up to the dtype it is asked for. Knows files and
dtypes; what the cast costs in accuracy is for `inform-demo evaluate` to say.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import AutoTokenizer

from inform_demo.checkpoint import as_checkpoint_error
from inform_demo.errors import ConfigError
from inform_demo.loading import quiet_transformers
from inform_demo.modeling import INFORMForSequenceClassification

# Code hosts refuse or complain about larger files.
MAX_SHARD = "29MB"


def export_float8(source: Path, output: Path) -> int:
    """Write `source` to `output` with the backbone's matrices in float8_e4m3fn, norms and score head in bf16.

    The relative error of a matrix is a few per cent, since float8_e4m3fn has three bits of mantissa.

    Returns:
        Bytes of the weight files.

    Raises:
        ConfigError: the output already holds a checkpoint.
        CheckpointError: the source is missing or incomplete.
    """
    if (output / "config.json").exists():
        raise ConfigError(f"{output} already holds a checkpoint; name another folder or remove it.")
    with as_checkpoint_error(str(source), "it could not be read"):
        model = INFORMForSequenceClassification.from_pretrained(source, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source)
    stored = {name: _stored(name, tensor) for name, tensor in model.state_dict().items()}
    model.config.dtype = torch.bfloat16
    model.config._name_or_path = ""  # noqa: SLF001 - or the path of this machine is written into config.json
    with quiet_transformers():
        model.save_pretrained(output, state_dict=stored, max_shard_size=MAX_SHARD)
    tokenizer.save_pretrained(output)
    file = output / "tokenizer.json"  # without its indentation it is a third smaller
    text = json.dumps(json.loads(file.read_text(encoding="utf-8")), ensure_ascii=False, separators=(",", ":"))
    file.write_text(text, encoding="utf-8")
    return sum(file.stat().st_size for file in output.glob("*.safetensors"))


def _stored(name: str, tensor: torch.Tensor) -> torch.Tensor:
    is_matrix = name.startswith("model.") and tensor.ndim == 2
    return tensor.to(torch.float8_e4m3fn if is_matrix else torch.bfloat16)

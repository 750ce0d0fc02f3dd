"""What a checkpoint is before its weights are read: its config, its architecture, how it is stored, whole or cut short.

Reads config.json (of a folder or of a hub id) and the headers of weight files. Whatever is wrong with them is a
CheckpointError that names the file. Reads no weights and downloads none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig

from inform_demo.config import INFORM_70B, ModelConfig, Precision, PrecisionChoice
from inform_demo.errors import CheckpointError, InformError, LoadError
from inform_demo.memory import is_out_of_memory
from inform_demo.modeling import ARCHITECTURE, INFORMForSequenceClassification

# By the format's own rule.
_LONGEST_HEADER = 100_000_000

INDEX = "model.safetensors.index.json"

# Of infly/INF-ORM-Llama3.1-70B, so that arithmetic on it needs no hub; the geometry of Llama 3.1 70B.
PUBLISHED_70B: dict[str, Any] = {
    "architectures": [ARCHITECTURE],
    "vocab_size": 128_256,
    "hidden_size": 8192,
    "intermediate_size": 28_672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
}


def read_config(config: ModelConfig) -> LlamaConfig:
    """The checkpoint's own config.

    Raises:
        CheckpointError: there is none, or it is of another architecture.
    """
    source = config.source
    looks_like_path = source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source
    if looks_like_path and not Path(source).is_dir():
        raise CheckpointError(
            f"There is no folder {source}. Name a folder with a config.json, or a hub id such as owner/name."
        )
    with as_checkpoint_error(source, "its config.json could not be read"):
        fields, _ = LlamaConfig.get_config_dict(source, revision=config.revision)
        if not fields:
            raise CheckpointError(
                f"{source} has no config.json. Name a folder with a checkpoint, or a hub id such as owner/name."
            )
        found = ", ".join(fields.get("architectures") or []) or "none"
        if ARCHITECTURE not in (fields.get("architectures") or []) or fields.get("model_type") != "llama":
            raise CheckpointError(
                f"{source} is no checkpoint of this kind: expected architecture {ARCHITECTURE} over llama, "
                f"got {found} over {fields.get('model_type')}."
            )
        return LlamaConfig.from_pretrained(source, revision=config.revision)


def read_or_know_config(config: ModelConfig) -> LlamaConfig:
    """The same, but of the published 70B model from memory."""
    return LlamaConfig(**PUBLISHED_70B) if config.source == INFORM_70B else read_config(config)


def build_skeleton(source: str, checkpoint: LlamaConfig) -> INFORMForSequenceClassification:
    """The model that a config describes, without weights.

    Raises:
        CheckpointError: it describes none.
    """
    with as_checkpoint_error(source, "its config.json describes no model"), torch.device("meta"):
        return INFORMForSequenceClassification(checkpoint)


def stored_precision(source: str, checkpoint: LlamaConfig, choice: PrecisionChoice = "auto") -> Precision | None:
    """The precision of a checkpoint that is quantised already; None for a plain one, which can be loaded in any.

    Raises:
        CheckpointError: it is quantised in a way that is not served, or not as asked.
    """
    stored: Any = getattr(checkpoint, "quantization_config", None)
    if stored is None:
        return None
    fields: dict[str, Any] = stored if isinstance(stored, dict) else stored.to_dict()
    precision: Precision | None = None
    if fields.get("quant_method") == "bitsandbytes":
        if fields.get("load_in_8bit"):
            precision = "int8"
        elif fields.get("load_in_4bit") and fields.get("bnb_4bit_quant_type") == "nf4":
            precision = "nf4"
    if precision is None:
        raise CheckpointError(
            f"{source} is quantised with {fields.get('quant_method')}; expected plain weights, or what "
            "`inform-demo quantize` writes (bitsandbytes int8 or nf4)."
        )
    skipped = fields.get("llm_int8_skip_modules")
    if not isinstance(skipped, list) or "score" not in skipped:
        raise CheckpointError(
            f"{source} has a quantised score head; quantise the original with `inform-demo quantize`."
        )
    if choice not in {"auto", precision}:
        raise CheckpointError(
            f"{source} is stored in {precision}, from which {choice} cannot be made again. "
            f"Leave --precision out, or name the original checkpoint."
        )
    return precision


def check_weight_files(folder: Path, source: str, way_out: str = "Fetch it again.") -> None:
    """A weight file that is missing or cut short is told by name before anything is read.

    Raises:
        CheckpointError: there is one.
    """
    problems = broken_weight_files(folder)
    if problems:
        name, problem = next(iter(problems.items()))
        more = f" So are {len(problems) - 1} more." if len(problems) > 1 else ""
        raise CheckpointError(f"{source}: its weights could not be read: {name} {problem}.{more} {way_out}")


def broken_weight_files(folder: Path) -> dict[str, str]:
    """The weight files that cannot be read whole, each with what is wrong; by their headers, so in no time."""
    problems: dict[str, str] = {}
    for name in _weight_files(folder):
        file = folder / name
        if not file.is_file():
            problems[name] = "is missing, and the index names it"
            continue
        found, expected = file.stat().st_size, _length_by_header(file)
        if expected is None:
            problems[name] = "is no .safetensors file"
        elif found != expected:
            problems[name] = f"is cut short or broken: its header promises {expected:,} bytes, it has {found:,}"
    return problems


def _weight_files(folder: Path) -> list[str]:
    index = folder / INDEX
    if not index.exists():
        return sorted(file.name for file in folder.glob("*.safetensors"))
    with as_checkpoint_error(str(folder), f"its {INDEX} could not be read"):
        names: set[Any] = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    for name in names:
        # A checkpoint of a stranger's must not have us read, or remove as broken, what lies elsewhere.
        if not isinstance(name, str) or "\\" in name or Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{folder}: its {INDEX} must name .safetensors files of its own folder; got {str(name)[:80]!r}."
            )
    return sorted(names)


def _length_by_header(file: Path) -> int | None:
    """What a .safetensors file measures: 8 bytes with the header's length, the header, and up to its last offset."""
    with file.open("rb") as stream:
        n_header = int.from_bytes(stream.read(8), "little")
        if n_header > file.stat().st_size:
            return None if n_header > _LONGEST_HEADER else 8 + n_header
        try:
            header = json.loads(stream.read(n_header))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
            return 8 + n_header + int(max(ends, default=0))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            return None


def hash_weights(folder: Path) -> dict[str, str]:
    """SHA-256 of each .safetensors file of a folder, by name."""
    digests = {}
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            digests[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


@contextmanager
def as_checkpoint_error(source: str, what: str) -> Iterator[None]:
    """Faults of files and of the network as one typed error; the cause stays attached for the log.

    Any exception, because what safetensors, transformers and torch raise over a broken file is no closed list.
    """
    try:
        yield
    except InformError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            words = f"{source}: out of memory while loading; use another precision or a larger device."
            raise LoadError(words) from error
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{source}: {what}: {reason[0]} Check the folder or hub id, and the connection if it is a hub id."
        ) from error

"""The weighted average of two checkpoints of one architecture, as the model card's 0.5/0.5 merge of its two trainings.

Streams some rows of a tensor at a time, so that the peak is far below a shard, whatever the size of the model
(`benchmarks/bench_merge.py`). Nothing appears at the destination before all of it is
written. Knows files and tensors; no model and no device. mergekit was
looked at: it does not know this architecture's head, and one linear merge needs none of the rest.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from inform_demo.checkpoint import as_checkpoint_error, hash_weights
from inform_demo.errors import CheckpointError, ConfigError
from inform_demo.verification import RECORD
from inform_demo.versions import installed_versions

logger = logging.getLogger(__name__)

PROVENANCE = "merge.json"

# What a checkpoint's folder may hold that is true of its own weights only: where they come from, their rewards of one
# example, their results.
_OF_ONE_MODEL = {PROVENANCE, RECORD, "results.json"}

# Elements averaged at a time: 64 MiB in float32.
_CHUNK = 2**24

# What an average is made of, and the bytes of an element.
_N_BYTES = {"F32": 4, "F16": 2, "BF16": 2}

# What may differ between two trainings of one architecture, or says only where a folder came from.
_CONFIG_MAY_DIFFER = {"_name_or_path", "transformers_version", "dtype", "torch_dtype"}


def merge_checkpoints(first: Path, second: Path, output: Path, weight: float = 0.5) -> Path:
    """Write `weight * first + (1 - weight) * second`, computed in float32 and stored in the first one's dtypes.

    Config, tokenizer and chat template are the first one's; `merge.json` names both parents by their files' hashes.

    Args:
        weight: of the first, in [0, 1].

    Returns:
        The folder, which did not exist before.

    Raises:
        ConfigError: the weight is out of range, or the output exists.
        CheckpointError: a parent is missing or broken, or they differ in config, tokenizer, tensors, shapes or dtypes,
            or their average is not finite.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"weight must be in [0, 1]; got {weight}.")
    if output.exists():
        raise ConfigError(f"{output} already exists; name another folder or remove it.")
    places = [_find_tensors(folder) for folder in (first, second)]
    _check_alike(first, second)
    _check_same_tensors(first, second, *places)
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a merge that was killed left behind
    partial.mkdir(parents=True)
    try:
        for shard in sorted(set(places[0].values())):
            names = [name for name, file in places[0].items() if file == shard]
            logger.info("Merging %s, %d tensors.", shard, len(names))
            _write_shard(partial / shard, names, (first, second), places, weight)
        for file in first.iterdir():
            if file.is_file() and file.suffix in {".json", ".jinja"} and file.name not in _OF_ONE_MODEL:
                shutil.copy2(file, partial / file.name)
        provenance = _describe(first, second, weight)
        (partial / PROVENANCE).write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
        partial.rename(output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return output


def _find_tensors(folder: Path) -> dict[str, str]:
    """Each tensor's file, by name."""
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not files:
        raise CheckpointError(f"{folder} holds no .safetensors file; expected a trained checkpoint.")
    places: dict[str, str] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as tensors:
                places.update(dict.fromkeys(tensors.keys(), file.name))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}") from error
    index = folder / "model.safetensors.index.json"
    if index.exists():
        with as_checkpoint_error(str(folder), f"its {index.name} could not be read"):
            missing = sorted(set(_read_object(index)["weight_map"]) - places.keys())
        if missing:
            raise CheckpointError(f"{folder} lacks weights that its index names: {', '.join(missing[:4])}.")
    return places


def _read_object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{file} must hold a JSON object; got {type(value).__name__}.")
    return value


def _check_alike(first: Path, second: Path) -> None:
    """The same config but for what may differ, and the same tokenizer and chat template."""
    configs = [_read_object(folder / "config.json") for folder in (first, second)]
    keys = sorted({key for config in configs for key in config} - _CONFIG_MAY_DIFFER)
    differ = [
        f"{key} ({configs[0].get(key)} and {configs[1].get(key)})"
        for key in keys
        if configs[0].get(key) != configs[1].get(key)
    ]
    if differ:
        raise CheckpointError(f"{first} and {second} differ in their config: {'; '.join(differ[:4])}.")
    for name in ("tokenizer.json", "chat_template.jinja"):
        contents = [(folder / name).read_bytes() if (folder / name).exists() else None for folder in (first, second)]
        if contents[0] != contents[1]:
            raise CheckpointError(f"{first} and {second} differ in {name}: an average needs the same tokens.")
    # Where older versions of transformers keep the chat template.
    files = [folder / "tokenizer_config.json" for folder in (first, second)]
    templates = [_read_object(file).get("chat_template") if file.exists() else None for file in files]
    if templates[0] != templates[1]:
        raise CheckpointError(f"{first} and {second} differ in their chat template: an average needs the same tokens.")


def _check_same_tensors(first: Path, second: Path, places_1: dict[str, str], places_2: dict[str, str]) -> None:
    for folder, names in ((second, places_1.keys() - places_2.keys()), (first, places_2.keys() - places_1.keys())):
        if names:
            raise CheckpointError(f"{folder} lacks weights that the other has: {', '.join(sorted(names)[:4])}.")
    for name in places_1:
        shapes, dtypes = zip(
            *(_header(folder / places[name], name) for folder, places in ((first, places_1), (second, places_2))),
            strict=True,
        )
        if shapes[0] != shapes[1] or dtypes[0] != dtypes[1]:
            raise CheckpointError(
                f"{name} is {dtypes[0]} {shapes[0]} in {first} and {dtypes[1]} {shapes[1]} in {second}."
            )
        if dtypes[0] not in _N_BYTES:
            raise CheckpointError(
                f"{name} is stored as {dtypes[0]}; average the trained checkpoints, then store the result."
            )


def _header(file: Path, name: str) -> tuple[list[int], str]:
    with safe_open(file, framework="pt") as tensors:
        part = tensors.get_slice(name)
        return part.get_shape(), part.get_dtype()


def _write_shard(
    path: Path, names: list[str], folders: tuple[Path, Path], places: list[dict[str, str]], weight: float
) -> None:
    """Write a .safetensors file as it is computed; safetensors' own `save_file` holds every tensor of it twice.

    The format is the length of a JSON header in 8 bytes, the header, and the tensors' bytes one after another.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        shape, dtype = _header(folders[0] / places[0][name], name)
        start, end = end, end + math.prod(shape) * _N_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            files = [folder / where[name] for folder, where in zip(folders, places, strict=True)]
            for rows in _average(name, files, weight):
                file.write(rows.contiguous().view(-1).view(torch.uint8).numpy().data)


def _average(name: str, files: list[Path], weight: float) -> Iterator[torch.Tensor]:
    """The average of two tensors on disk, some rows at a time: in float32 a large embedding is larger than a shard."""
    shape, _ = _header(files[0], name)
    n_rows = max(1, _CHUNK // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0] if shape else 1, n_rows):
        rows = slice(start, start + n_rows) if shape else ...
        with ExitStack() as stack:  # closed each time, because what was read of a mapped file counts until then
            one, other = (stack.enter_context(safe_open(file, framework="pt")).get_slice(name)[rows] for file in files)
            average = torch.lerp(other.float(), one.float(), weight).to(one.dtype)
            del one, other
        if not average.isfinite().all():
            raise CheckpointError(f"The average of {name} is not finite; {files[0]} or {files[1]} is broken.")
        yield average


def _describe(first: Path, second: Path, weight: float) -> dict[str, Any]:
    parents = [
        {"name": folder.name, "weight": share, "sha256": hash_weights(folder)}
        for folder, share in ((first, weight), (second, 1 - weight))
    ]
    return {
        "parents": parents,
        "versions": installed_versions(),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }

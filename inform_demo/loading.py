"""Configuration -> model, chat encoder and LoadReport.

Reads the checkpoint's config first, refuses what is no INF-ORM reward model, does the arithmetic of placement, and
only then touches weights. Whatever goes wrong ends in a LoadError that says what to do. Scores nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from transformers import LlamaConfig, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from inform_demo.attention import TREE_ATTENTION
from inform_demo.chat import ChatEncoder
from inform_demo.config import ModelConfig, Precision
from inform_demo.errors import CheckpointError, LoadError, MissingDependencyError, NotEnoughMemoryError
from inform_demo.kernels import resolve_kernel
from inform_demo.modeling import ARCHITECTURE, INFORMForSequenceClassification
from inform_demo.placement import Placement, find_devices, resolve_placement, weight_bytes
from inform_demo.types import LoadReport
from inform_demo.versions import installed_versions

logger = logging.getLogger(__name__)


def load_model(config: ModelConfig) -> tuple[INFORMForSequenceClassification, ChatEncoder, LoadReport]:
    """Load what `config` names, ready to score.

    Raises:
        CheckpointError: not found, broken, incomplete or of another architecture.
        MissingDependencyError: a quantised precision without bitsandbytes.
        NotEnoughMemoryError: it fits nowhere as asked.
    """
    began = time.perf_counter()
    memory_before = _used_bytes()
    checkpoint = _read_config(config)
    with torch.device("meta"):
        skeleton = INFORMForSequenceClassification(checkpoint)
    needs = weight_bytes(skeleton)
    placement = resolve_placement(needs, config.precision, find_devices(), fast_bf16=has_fast_bf16())
    max_tokens = min(config.max_tokens, checkpoint.max_position_embeddings)
    chat = ChatEncoder(_load_tokenizer(config), max_tokens)
    model = _load_weights(config, checkpoint, placement, skeleton)
    kernel, kernel_reason = resolve_kernel(model.device, model.dtype)
    report = LoadReport(
        model=describe_source(config),
        revision=getattr(model.config, "_commit_hash", None),
        is_embedded=config.is_embedded,
        n_parameters=sum(parameter.numel() for parameter in skeleton.parameters()),
        precision=placement.precision,
        precision_reason=placement.precision_reason,
        attention_kernel=kernel,
        attention_reason=kernel_reason,
        placement=placement.description,
        placement_reason=placement.reason,
        max_tokens=max_tokens,
        weight_bytes=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        memory_bytes=max(0, _used_bytes() - memory_before),
        load_s=time.perf_counter() - began,
        versions=installed_versions(),
    )
    logger.info("Loaded %s: %s (%s) on %s (%s).", report.model, *_choices(report))
    return model, chat, report


def describe_source(config: ModelConfig) -> str:
    """The name that results carry: the hub id, or the folder's own name."""
    if config.is_embedded:
        return "INFORM-embedded-57M"
    return config.source if not Path(config.source).is_dir() else Path(config.source).resolve().name


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively; without, bf16 there is slower than fp32."""
    # torch has no public name for the question.
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def _choices(report: LoadReport) -> tuple[str, str, str, str]:
    return report.precision, report.precision_reason, report.placement, report.placement_reason


def _read_config(config: ModelConfig) -> LlamaConfig:
    source = config.source
    looks_like_path = source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source
    if looks_like_path and not Path(source).is_dir():
        raise CheckpointError(
            f"There is no folder {source}. Name a folder with a config.json, or a hub id such as owner/name."
        )
    with _as_checkpoint_error(source, "its config.json could not be read"):
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


def _load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerFast:
    # Differs from AutoTokenizer: no class name of the checkpoint's is looked up, so none of its code can ever run.
    with _as_checkpoint_error(config.source, "its tokenizer could not be read"):
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
            config.source, revision=config.revision
        )
        return tokenizer


def _load_weights(
    config: ModelConfig, checkpoint: LlamaConfig, placement: Placement, skeleton: INFORMForSequenceClassification
) -> INFORMForSequenceClassification:
    with _as_checkpoint_error(config.source, "its weights could not be read"), _quiet():
        model: INFORMForSequenceClassification = INFORMForSequenceClassification.from_pretrained(
            config.source,
            config=checkpoint,
            revision=config.revision,
            use_safetensors=True,
            attn_implementation=TREE_ATTENTION,
            # Differs from the model card: "auto" keeps a tenth of a GPU back and spills the last layers to the CPU.
            device_map=_device_map(placement, skeleton),
            **_precision_arguments(placement.precision),
        )
    stray = [name for name, parameter in model.named_parameters() if parameter.device.type == "meta"]
    assert not stray, f"weights were not loaded: {stray[:3]}"
    model.eval().requires_grad_(requires_grad=False)
    return model


def _precision_arguments(precision: Precision) -> dict[str, Any]:
    if precision in {"bf16", "fp32"}:
        return {"dtype": torch.bfloat16 if precision == "bf16" else torch.float32}
    # bitsandbytes casts activations to fp16 in every int8 matmul and warns each time: fifty lines a forward.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise MissingDependencyError("bitsandbytes", f"Precision {precision}", "pip install bitsandbytes") from None
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_8bit=precision == "int8",
        load_in_4bit=precision == "nf4",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        # Differs from the model card: without this the score head would be quantised like any linear layer.
        llm_int8_skip_modules=["score"],
    )
    return {"dtype": torch.bfloat16, "quantization_config": quantization}


def _device_map(placement: Placement, skeleton: INFORMForSequenceClassification) -> dict[str, int | str]:
    if len(placement.devices) == 1:
        index = placement.devices[0].index
        return {"": "cpu" if index is None else index}
    from accelerate import infer_auto_device_map
    from accelerate.utils import CustomDtype

    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8, "nf4": CustomDtype.INT4}
    room = {device.index: device.room_bytes for device in placement.devices if device.index is not None}
    device_map: dict[str, int | str] = infer_auto_device_map(
        skeleton, max_memory=room, dtype=dtypes[placement.precision], no_split_module_classes=["LlamaDecoderLayer"]
    )
    spilled = sorted(name for name, where in device_map.items() if where in {"cpu", "disk"})
    if spilled:
        needed = weight_bytes(skeleton)[placement.precision]
        way_out = f"Whole layers do not divide evenly: {', '.join(spilled[:3])} would not fit. Use another precision."
        raise NotEnoughMemoryError(needed, sum(room.values()), placement.description, way_out)
    return device_map


@contextmanager
def _as_checkpoint_error(source: str, what: str) -> Iterator[None]:
    """Faults of files and of the network as one typed error; the cause stays attached for the log."""
    try:
        yield
    except LoadError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise LoadError(f"{source}: out of memory while loading; use another precision or a larger device.") from error
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{source}: {what}: {reason[0]} Check the folder or hub id, and the connection if it is a hub id."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars on a terminal whose output someone reads as JSON, and no warning about what is an error here anyway."""
    bars, level = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _used_bytes() -> int:
    if torch.cuda.is_available():
        return sum(torch.cuda.memory_allocated(i) for i in range(torch.cuda.device_count()))
    return int(psutil.Process().memory_info().rss)

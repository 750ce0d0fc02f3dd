"""Configuration -> model, chat encoder and LoadReport.

Reads the checkpoint's config first, refuses what is no INF-ORM reward model, does the arithmetic of placement, has the
files fetched, and only then touches weights. Whatever goes wrong ends in a LoadError that says what to do. Scores
nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import LlamaConfig, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from inform_demo.attention import TREE_ATTENTION
from inform_demo.chat import ChatEncoder
from inform_demo.checkpoint import as_checkpoint_error, build_skeleton, read_config, stored_precision
from inform_demo.config import ModelConfig, Precision
from inform_demo.download import fetch
from inform_demo.errors import LoadError, MissingDependencyError
from inform_demo.footprint import measure
from inform_demo.kernels import resolve_kernel
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.placement import Placement, find_devices, has_fast_bf16, resolve_placement
from inform_demo.progress import ProgressTracker
from inform_demo.types import LoadReport
from inform_demo.versions import installed_versions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Plan:
    """What is known before a weight is read."""

    checkpoint: LlamaConfig
    placement: Placement
    n_parameters: int
    n_bytes: int
    max_tokens: int
    is_stored: bool


def load_model(
    config: ModelConfig, tracker: ProgressTracker | None = None
) -> tuple[INFORMForSequenceClassification, ChatEncoder, LoadReport]:
    """Load what `config` names, ready to score.

    Args:
        tracker: is told how far it is.

    Raises:
        CheckpointError: not found, broken, incomplete, of another architecture, or stored in another precision.
        MissingDependencyError: a quantised precision without bitsandbytes.
        NotEnoughMemoryError, NotEnoughDiskError: it fits nowhere as asked; told before anything is downloaded.
        DownloadError: broken off.
    """
    began = time.perf_counter()
    tracker = tracker or ProgressTracker()
    tracker.begin("checking")
    plan = _plan(config)
    folder = fetch(config, tracker)
    chat = ChatEncoder(_load_tokenizer(folder, config.source), plan.max_tokens)
    memory_before = _used_bytes()
    tracker.begin("loading", plan.n_bytes)
    with _watch_memory(tracker, memory_before):
        model = _load_weights(folder, config.source, plan)
    with as_checkpoint_error(config.source, "no attention kernel could be tried"):
        kernel, kernel_reason = resolve_kernel(model.device, model.dtype)
    report = LoadReport(
        model=describe_source(config),
        revision=None if folder == Path(config.source) else folder.name,  # the hub's cache has a folder a commit
        is_embedded=config.is_embedded,
        n_parameters=plan.n_parameters,
        precision=plan.placement.precision,
        precision_reason=plan.placement.precision_reason,
        attention_kernel=kernel,
        attention_reason=kernel_reason,
        placement=plan.placement.description,
        placement_reason=plan.placement.reason,
        max_tokens=plan.max_tokens,
        weight_bytes=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        memory_bytes=max(0, _used_bytes() - memory_before),
        load_s=time.perf_counter() - began,
        versions=installed_versions(),
    )
    logger.info("Loaded %s: %s (%s) on %s (%s).", report.model, *_choices(report))
    return model, chat, report


def _plan(config: ModelConfig) -> _Plan:
    checkpoint = read_config(config)
    stored = stored_precision(config.source, checkpoint, config.precision)
    skeleton = build_skeleton(config.source, checkpoint)
    max_tokens = min(config.max_tokens, checkpoint.max_position_embeddings)
    footprints = measure(skeleton, max_tokens)
    placement = resolve_placement(
        footprints, config.precision, find_devices(), fast_bf16=has_fast_bf16(), stored=stored
    )
    n_parameters = sum(parameter.numel() for parameter in skeleton.parameters())
    n_bytes = footprints[placement.precision].weight_bytes
    return _Plan(checkpoint, placement, n_parameters, n_bytes, max_tokens, stored is not None)


def describe_source(config: ModelConfig) -> str:
    """The name that results carry: the hub id, or the folder's own name."""
    if config.is_embedded:
        return "INFORM-embedded-57M"
    return config.source if not Path(config.source).is_dir() else Path(config.source).resolve().name


def _choices(report: LoadReport) -> tuple[str, str, str, str]:
    return report.precision, report.precision_reason, report.placement, report.placement_reason


def _load_tokenizer(folder: Path, source: str) -> PreTrainedTokenizerFast:
    # Differs from AutoTokenizer: no class name of the checkpoint's is looked up, so none of its code can ever run.
    with as_checkpoint_error(source, "its tokenizer could not be read"):
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
        return tokenizer


def _load_weights(folder: Path, source: str, plan: _Plan) -> INFORMForSequenceClassification:
    with as_checkpoint_error(source, "its weights could not be read"), quiet_transformers():
        model: INFORMForSequenceClassification = INFORMForSequenceClassification.from_pretrained(
            folder,
            config=plan.checkpoint,
            use_safetensors=True,
            attn_implementation=TREE_ATTENTION,
            # Differs from the model card: "auto" keeps a tenth of a GPU back and spills the last layers to the CPU.
            device_map=plan.placement.device_map,
            **_precision_arguments(plan.placement.precision, is_stored=plan.is_stored),
        )
    _check_placed(model, plan.placement)
    model.eval().requires_grad_(requires_grad=False)
    return model


@contextmanager
def _watch_memory(tracker: ProgressTracker, before: int) -> Iterator[None]:
    """While weights are read, tell how many bytes of them are in memory."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            tracker.advance_to(_used_bytes() - before)

    thread = threading.Thread(target=watch, name="watch-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _precision_arguments(precision: Precision, *, is_stored: bool) -> dict[str, Any]:
    if precision in {"bf16", "fp32"}:
        return {"dtype": torch.bfloat16 if precision == "bf16" else torch.float32}
    # bitsandbytes casts activations to fp16 in every int8 matmul and warns each time: fifty lines a forward.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise MissingDependencyError("bitsandbytes", f"Precision {precision}", "pip install bitsandbytes") from None
    if is_stored:  # then the checkpoint's own config says how
        return {"dtype": torch.bfloat16}
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


def _check_placed(model: torch.nn.Module, placement: Placement) -> None:
    """Every parameter is on a device of the placement: one left on the CPU or without bytes would be slow or wrong.

    Raises:
        LoadError: one is not.
    """
    allowed = {("cpu", None) if device.index is None else ("cuda", device.index) for device in placement.devices}
    stray = [
        f"{name} on {parameter.device}"
        for name, parameter in model.named_parameters()
        if (parameter.device.type, parameter.device.index) not in allowed
    ]
    if stray:
        more = f" and {len(stray) - 3} more" if len(stray) > 3 else ""
        raise LoadError(f"The model belongs on {placement.description}, but was left: {', '.join(stray[:3])}{more}.")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No bars of transformers' own on a terminal whose output someone reads, no warning about what is an error here."""
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

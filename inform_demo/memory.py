"""How much working memory a forward pass takes, by arithmetic, and how much is free.

Counts what is alive at the widest point of a layer; weights are not counted, because they are there already. Knows a
model's shape and its devices; runs nothing. What counts as running out of memory is told here, too.

Letters: T tokens of the row, H hidden size, I intermediate size, A attention width, K width of keys or values.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import torch
from transformers import LlamaConfig

from inform_demo.config import Precision

# Kernels ask for scratch space and allocators round up.
_MARGIN = 1.1
_MARGIN_BYTES = 16 * 2**20


def peak_bytes(
    config: LlamaConfig, n_tokens: int, precision: Precision, *, mlp_rows: int | None = None, trace: bool = False
) -> int:
    """The most bytes alive at one time in a pass over a row of `n_tokens`.

    A quantised model computes in bf16. An int8 product is int32 before it is scaled to two bytes, so one tensor of the
    intermediate width takes two bytes more; nf4 spreads one matrix at a time out to bf16.

    Args:
        mlp_rows: tokens that go through an MLP at a time; None for all at once.
        trace: the head reads every token as well, in float32.
    """
    bytes_per_number = 4 if precision == "fp32" else 2
    n_heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // n_heads
    n_key_heads = config.num_key_value_heads or n_heads
    hidden, attention, keys = config.hidden_size, n_heads * head_dim, n_key_heads * head_dim
    # The embeddings, which the model keeps to the end, the stream through the layers, and its normalised copy.
    stream = 3 * hidden
    # A norm computes in float32: the row, its square or product.
    norm = 2 * hidden * 4 // bytes_per_number
    # Queries and keys before and after their rotation, the halves of it, values, keys gathered by segment, the output.
    attending = 4 * attention + 6 * keys + 2 * attention
    rows = 1.0 if mlp_rows is None else min(1.0, mlp_rows / n_tokens)
    # The gate, its activation and the other projection; in pieces also the output, put together.
    mlp = 3 * config.intermediate_size * rows + hidden * (1 if mlp_rows is None else 2)
    if precision == "int8":
        mlp += config.intermediate_size * rows
    peak = (stream + max(norm, attending, mlp)) * bytes_per_number
    # The head in float32: its input, its inner layer and that after its ReLU.
    most = n_tokens * (max(peak, hidden * (bytes_per_number + 3 * 4)) if trace else peak)
    return int(most) + (2 * config.intermediate_size * hidden if precision == "nf4" else 0)


def estimate_bytes(
    config: LlamaConfig, n_tokens: int, precision: Precision, *, mlp_rows: int | None = None, trace: bool = False
) -> int:
    """What such a pass should find free before it is begun: `peak_bytes` and a margin."""
    return int(_MARGIN * peak_bytes(config, n_tokens, precision, mlp_rows=mlp_rows, trace=trace)) + _MARGIN_BYTES


def fitting_tokens(config: LlamaConfig, free: int, precision: Precision, *, mlp_rows: int, trace: bool = False) -> int:
    """The most tokens whose pass fits into `free` bytes."""
    low, high = 0, 2**24
    while low < high:
        middle = (low + high + 1) // 2
        fits = estimate_bytes(config, middle, precision, mlp_rows=mlp_rows, trace=trace) <= free
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def free_bytes(model: torch.nn.Module) -> int:
    """What a pass may take: on the fullest GPU that holds a part of the model, or of this machine's memory."""
    devices = {parameter.device for parameter in model.parameters()}
    cards = [device for device in devices if device.type == "cuda"]
    if not cards:
        return free_cpu_bytes()
    return min(map(free_cuda_bytes, cards))


def free_cuda_bytes(card: torch.device | int) -> int:
    """Free memory of a GPU; blocks that torch keeps for its next tensors count as free."""
    kept = torch.cuda.memory_reserved(card) - torch.cuda.memory_allocated(card)
    return torch.cuda.mem_get_info(card)[0] + kept


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch's allocator for the CPU, and cuBLAS, have no type for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    texts = ("can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


def free_cpu_bytes() -> int:
    """Free memory of this machine, within a container's limit; what it only caches of files counts as free."""
    free: int = psutil.virtual_memory().available
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        fields = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        cached = int(fields["inactive_file"]) + int(fields["active_file"])
    except (OSError, ValueError, KeyError):
        return free
    return free if limit == "max" else min(free, int(limit) - used + cached)

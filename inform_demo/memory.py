"""How much working memory a forward pass takes, by arithmetic, and how much is free.

Counts what is alive at the widest point of a layer; weights are not counted, because they are there already. Knows a
model's shape and its devices; runs nothing.

Letters: T tokens of the row, H hidden size, I intermediate size, A attention width, K width of keys or values.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import torch
from transformers import LlamaConfig

# Kernels ask for scratch space and allocators round up.
_MARGIN = 1.1
_MARGIN_BYTES = 16 * 2**20


def peak_bytes(
    config: LlamaConfig, n_tokens: int, bytes_per_number: int, *, mlp_rows: int | None = None, trace: bool = False
) -> int:
    """The most bytes alive at one time in a pass over a row of `n_tokens`.

    Args:
        mlp_rows: tokens that go through an MLP at a time; None for all at once.
        trace: the head reads every token as well, in float32.
    """
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
    peak = (stream + max(norm, attending, mlp)) * bytes_per_number
    # The head in float32: its input, its inner layer and that after its ReLU.
    return int(n_tokens * (max(peak, hidden * (bytes_per_number + 3 * 4)) if trace else peak))


def estimate_bytes(
    config: LlamaConfig, n_tokens: int, bytes_per_number: int, *, mlp_rows: int | None = None, trace: bool = False
) -> int:
    """What such a pass should find free before it is begun: `peak_bytes` and a margin."""
    return int(_MARGIN * peak_bytes(config, n_tokens, bytes_per_number, mlp_rows=mlp_rows, trace=trace)) + _MARGIN_BYTES


def fitting_tokens(config: LlamaConfig, free: int, bytes_per_number: int, *, mlp_rows: int, trace: bool = False) -> int:
    """The most tokens whose pass fits into `free` bytes."""
    low, high = 0, 2**24
    while low < high:
        middle = (low + high + 1) // 2
        fits = estimate_bytes(config, middle, bytes_per_number, mlp_rows=mlp_rows, trace=trace) <= free
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def free_bytes(model: torch.nn.Module) -> int:
    """What a pass may take: on the fullest GPU that holds a part of the model, or of this machine's memory."""
    devices = {parameter.device for parameter in model.parameters()}
    cards = [device for device in devices if device.type == "cuda"]
    if not cards:
        return free_cpu_bytes()
    # Blocks that torch keeps for its next tensors count as free.
    return min(
        torch.cuda.mem_get_info(card)[0] + torch.cuda.memory_reserved(card) - torch.cuda.memory_allocated(card)
        for card in cards
    )


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

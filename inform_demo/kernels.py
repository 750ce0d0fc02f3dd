"""The ways to compute attention over a pack, and which of them is used where; all give the same rewards.

Each takes the row's queries, keys and values and lets every token see what it would see alone: the prefix of its tree,
then its own suffix causally, and no other suffix.

- "flash-attn varlen", "torch varlen_attn" (CUDA): the whole row in one call. Queries `[P | A | B]` against gathered
  keys `[P | P A | P B]`, causal and aligned at the end of each segment.
- "merged CPU flash": all suffixes against the prefix without a mask, each suffix against itself causally, and both
  joined by their log-sum-exp. The causal kernel of the CPU aligns at the start, and a mask costs what sharing gains.
- "per-segment SDPA": public functions and explicit masks only. Runs anywhere, and is the one that gradients go through.

No kernel is trusted by its name: before its first use on a device it has to agree there with per-segment SDPA on a
small pack, or the next one is taken and the reason says so. Knows layouts and tensors; knows no model.

Shape suffixes: H heads, K key-value heads, T tokens of the pack, S gathered keys, Q queries of a block, D head
dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import accumulate, chain, groupby
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from inform_demo.memory import is_out_of_memory
from inform_demo.packing import Pack, build_pack

# Queries 1HTD, keys and values 1KTD, the layout, the factor on the scores -> 1HTD.
Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Pack, "float | None"], torch.Tensor]

# Queries THD, gathered keys and values SKD, the plan, the factor on the scores -> THD.
VarlenCall = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, "VarlenPlan", "float | None"], torch.Tensor]

# Queries of a suffix go in blocks, so that a long suffix neither builds a square mask nor visits the keys after it.
QUERY_BLOCK = 512


def sdpa_attention(
    query_1HTD: torch.Tensor,
    key_1KTD: torch.Tensor,
    value_1KTD: torch.Tensor,
    pack: Pack,
    scale: float | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """One `scaled_dot_product_attention` a block of queries; no key outside a query's own sequence is touched."""

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **how: Any) -> torch.Tensor:
        return scaled_dot_product_attention(
            query, key, value, scale=scale, dropout_p=dropout, enable_gqa=key.shape[1] != query.shape[1], **how
        )

    # One split, not a slice a segment: the gradient of a slice is a whole row of zeros, that of a split a copy.
    lengths = [segment.n_tokens for segment in pack.segments]
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in (query_1HTD, key_1KTD, value_1KTD)), strict=True)
    out: list[torch.Tensor] = []
    for segment, (query, *key_value) in zip(pack.segments, parts, strict=True):
        if segment.first == segment.root:
            root = key_value
        if not segment.n_prefix:
            out.append(attend(query, *key_value, is_causal=True))
            continue
        prefix = (row[:, :, : segment.n_prefix] for row in root)
        key, value = (torch.cat(pair, dim=2) for pair in zip(prefix, key_value, strict=True))
        for first in range(0, segment.n_tokens, QUERY_BLOCK):
            last = min(first + QUERY_BLOCK, segment.n_tokens)
            n_keys = segment.n_prefix + last
            mask_QS = _block_mask(pack, segment.n_prefix, first, last, query.device)
            out.append(attend(query[:, :, first:last], key[:, :, :n_keys], value[:, :, :n_keys], attn_mask=mask_QS))
    return torch.cat(out, dim=2)


def _block_mask(pack: Pack, n_prefix: int, first: int, last: int, device: torch.device) -> torch.Tensor:
    """True where suffix queries first..last may look among prefix and suffix up to last; one for all layers there."""
    key = (n_prefix, first, last, device)
    if key not in pack.plans:
        everything = torch.ones(last - first, n_prefix + last, dtype=torch.bool, device=device)
        pack.plans[key] = everything.tril(n_prefix + first)
    mask: torch.Tensor = pack.plans[key]
    return mask


def merged_attention(
    query_1HTD: torch.Tensor, key_1KTD: torch.Tensor, value_1KTD: torch.Tensor, pack: Pack, scale: float | None = None
) -> torch.Tensor:
    """Attention of the suffixes over their prefix and over themselves, joined by the log-sum-exp of the scores.

    The operator is the one that `scaled_dot_product_attention` runs on a CPU. Only under this name does it give the
    log-sum-exp, which has no gradient.
    """
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001 - it has no public name

    def attend(queries: slice, keys: slice, *, is_causal: bool) -> tuple[torch.Tensor, torch.Tensor]:
        rows = (query_1HTD[:, :, queries], key_1KTD[:, :, keys], value_1KTD[:, :, keys])
        attended, log_sum = flash(*rows, is_causal=is_causal, scale=scale)
        return attended, log_sum[..., None]

    # Laid out as what reads it wants it: token by token. Written in place, because memory that is new costs more here
    # than the arithmetic.
    out_1HTD = query_1HTD.new_empty(1, pack.n_tokens, *query_1HTD.shape[1::2]).transpose(1, 2)
    for (root, n_prefix), siblings in groupby(pack.segments, lambda segment: (segment.root, segment.n_prefix)):
        spans = [slice(segment.first, segment.last) for segment in siblings]
        first = spans[0].start
        if n_prefix:
            far, far_sum = attend(slice(first, spans[-1].stop), slice(root, root + n_prefix), is_causal=False)
        for span in spans:
            near, near_sum = attend(span, span, is_causal=True)
            if n_prefix:
                same = slice(span.start - first, span.stop - first)
                weight = torch.sigmoid(far_sum[:, :, same] - near_sum).to(near.dtype)
                torch.lerp(near, far[:, :, same], weight, out=out_1HTD[:, :, span])
            else:
                out_1HTD[:, :, span] = near
    return out_1HTD


@dataclass(frozen=True)
class VarlenPlan:
    """A pack as one call of a kernel for sequences of many lengths.

    Attributes:
        key_index_S: int64, which tokens of the row are the keys, segment by segment.
        query_ends, key_ends: int32, where each segment ends among queries and keys, from 0 on.
        max_queries, max_keys: those of the longest segment.
    """

    key_index_S: torch.Tensor
    query_ends: torch.Tensor
    key_ends: torch.Tensor
    max_queries: int
    max_keys: int


def build_varlen_plan(pack: Pack, device: torch.device | str = "cpu") -> VarlenPlan:
    """Segment by segment: its queries, and as keys the prefix of its tree and itself."""
    keys = [
        [*range(segment.root, segment.root + segment.n_prefix), *range(segment.first, segment.last)]
        for segment in pack.segments
    ]
    n_queries, n_keys = [segment.n_tokens for segment in pack.segments], [*map(len, keys)]
    query_ends, key_ends = (
        torch.tensor([*accumulate(lengths, initial=0)], dtype=torch.int32, device=device)
        for lengths in (n_queries, n_keys)
    )
    key_index_S = torch.tensor([*chain(*keys)], device=device)
    return VarlenPlan(key_index_S, query_ends, key_ends, max(n_queries), max(n_keys))


def varlen_attention(
    call: VarlenCall,
    query_1HTD: torch.Tensor,
    key_1KTD: torch.Tensor,
    value_1KTD: torch.Tensor,
    pack: Pack,
    scale: float | None = None,
) -> torch.Tensor:
    """The whole row in one `call`, whose causal mask is aligned at the end of queries and keys of each segment."""
    device = query_1HTD.device
    if device not in pack.plans:
        pack.plans[device] = build_varlen_plan(pack, device)
    plan: VarlenPlan = pack.plans[device]
    key_SKD, value_SKD = (row[0].transpose(0, 1)[plan.key_index_S] for row in (key_1KTD, value_1KTD))
    return call(query_1HTD[0].transpose(0, 1), key_SKD, value_SKD, plan, scale).transpose(0, 1)[None]


def _call_flash_attn(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, plan: VarlenPlan, scale: float | None
) -> torch.Tensor:
    from flash_attn import flash_attn_varlen_func

    ends = (plan.query_ends, plan.key_ends, plan.max_queries, plan.max_keys)
    out: torch.Tensor = flash_attn_varlen_func(query, key, value, *ends, softmax_scale=scale, causal=True)
    return out


def _call_torch_varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, plan: VarlenPlan, scale: float | None
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends = (plan.query_ends, plan.key_ends, plan.max_queries, plan.max_keys)
    # One split of the keys: which sequences share a call then cannot move a bit of another's.
    out = varlen_attn(query, key, value, *ends, scale=scale, window_size=(-1, 0), enable_gqa=True, num_splits=1)
    assert isinstance(out, torch.Tensor), "a pair only where the log-sum-exp was asked for"
    return out


def flash_attn_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, pack: Pack, scale: float | None = None
) -> torch.Tensor:
    """flash-attn's varlen function."""
    return varlen_attention(_call_flash_attn, query, key, value, pack, scale)


def torch_varlen_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, pack: Pack, scale: float | None = None
) -> torch.Tensor:
    """The varlen function of torch itself."""
    return varlen_attention(_call_torch_varlen, query, key, value, pack, scale)


SDPA = "per-segment SDPA"
MERGED = "merged CPU flash"
FLASH_ATTN = "flash-attn varlen"
TORCH_VARLEN = "torch varlen_attn"

KERNELS: dict[str, Kernel] = {
    FLASH_ATTN: flash_attn_attention,
    TORCH_VARLEN: torch_varlen_attention,
    MERGED: merged_attention,
    SDPA: sdpa_attention,
}

_STRENGTHS = {
    FLASH_ATTN: "the whole row in one call",
    TORCH_VARLEN: "the whole row in one call, with nothing to build",
    MERGED: "no mask, so long answers keep what sharing the prompt gains",
    SDPA: "one exact scaled_dot_product_attention a segment; runs on every device",
}


@cache
def resolve_kernel(device: torch.device, dtype: torch.dtype) -> tuple[str, str]:
    """The name of the fastest kernel that proves exact on this device, and why that one."""
    candidates = {"cpu": [MERGED], "cuda": [FLASH_ATTN, TORCH_VARLEN]}.get(device.type, [])
    passed_over: list[str] = []
    for name in candidates:
        problem = _find_problem(name, device, dtype)
        if problem is None:
            return name, "; ".join([_STRENGTHS[name], *passed_over])
        passed_over.append(problem)
    return SDPA, "; ".join([_STRENGTHS[SDPA], *passed_over])


def _distance(name: str, pack: Pack, head_dim: int, device: torch.device, dtype: torch.dtype) -> float:
    """How far a kernel is from per-segment SDPA on random rows, eight heads to one key head as the 70B model has."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(1, n_heads, pack.n_tokens, head_dim, generator=generator).to(device, dtype) for n_heads in (8, 1, 1)
    )
    with torch.inference_mode():
        found = KERNELS[name](query, key, value, pack, None)
        apart = (found.float() - sdpa_attention(query, key, value, pack).float()).abs().max().item()
    return math.inf if math.isnan(apart) else apart


def _find_problem(name: str, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why a kernel cannot be used here, in words, or None."""
    if name in {FLASH_ATTN, TORCH_VARLEN} and dtype not in {torch.bfloat16, torch.float16}:
        return f"{name} computes in 16 bits, not in {str(dtype).removeprefix('torch.')}"
    if name == FLASH_ATTN and find_spec("flash_attn") is None:
        return "flash-attn is not installed"
    pack = build_pack([[[1] * 200 + [2] * 530, [1] * 200 + [3] * 70, [1] * 200 + [4]], [[5] * 33], [[6], [7, 8]]])
    try:
        distance = max(_distance(name, pack, head_dim, device, dtype) for head_dim in (64, 128))
    except (ImportError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):  # which says nothing of the kernel, and the answer is kept
            raise
        return f"{name} does not run here ({(str(error).splitlines() or [type(error).__name__])[0]})"
    # Outputs are below 4 in size: bf16 numbers there lie up to 2^-6 apart.
    tolerance = 1e-5 if dtype == torch.float32 else 4e-2
    return None if distance <= tolerance else f"{name} is off by {distance:.1e} here"

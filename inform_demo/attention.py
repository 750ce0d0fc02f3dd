"""Attention over a pack of prefix trees: the function transformers calls, whichever kernel does the work.

Queries of a prefix see the prefix causally; queries of a suffix see the whole prefix and their own suffix causally,
and no other suffix. How that is computed is the matter of `kernels.py`.

transformers passes attention functions the mask it would build itself; for a name it has no mask function for, that
mask is None by design, which is what keeps its packed-sequence detection (wrong for trees) out of the way.

Shape suffixes: H heads, K key-value heads, T tokens of the pack, D head dimension.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface

from inform_demo.kernels import KERNELS, resolve_kernel, sdpa_attention
from inform_demo.packing import Pack

TREE_ATTENTION = "inform_tree"


def tree_attention(
    module: torch.nn.Module,
    query_1HTD: torch.Tensor,
    key_1KTD: torch.Tensor,
    value_1KTD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    pack: Pack | None = None,
    kernel: str | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The function transformers calls in every layer; gradients flow through it.

    Args:
        kernel: a name in `KERNELS`; by default the one that `resolve_kernel` chooses, and for gradients or dropout the
            one that has them.

    Returns:
        (1, T, H, D), and None for the attention weights, which are never materialised.

    Raises:
        ValueError: called without a pack or with a mask: a plain call belongs to the "sdpa" implementation, and to
            guess here would give a wrong score without an error.
    """
    if pack is None or attention_mask is not None:
        raise ValueError(
            f"{TREE_ATTENTION!r} attention scores a pack and takes no mask. "
            "For a plain batch call model.set_attn_implementation('sdpa') first."
        )
    assert query_1HTD.shape[0] == 1 and query_1HTD.shape[2] == pack.n_tokens, "the row is the pack's"
    rows = (query_1HTD, key_1KTD, value_1KTD)
    needs_gradient = torch.is_grad_enabled() and any(row.requires_grad for row in rows)
    if needs_gradient or dropout:
        assert kernel is None, "only per-segment SDPA has gradients and dropout"
        return sdpa_attention(*rows, pack, scaling, dropout).transpose(1, 2), None
    name = kernel or resolve_kernel(query_1HTD.device, query_1HTD.dtype)[0]
    return KERNELS[name](*rows, pack, scaling).transpose(1, 2), None


AttentionInterface.register(TREE_ATTENTION, tree_attention)

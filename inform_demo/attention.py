"""Attention over a pack of prefix trees: each token sees what it would see alone.

Queries of a prefix see the prefix causally; queries of a suffix see the whole prefix and their own suffix causally,
and no other suffix. The work is one `scaled_dot_product_attention` a block of queries, so no mask over the whole row
is ever built and no key outside a query's own sequence is touched.

transformers passes attention functions the mask it would build itself; for a name it has no mask function for, that
mask is None by design, which is what keeps its packed-sequence detection (wrong for trees) out of the way.

Shape suffixes: H heads, K key-value heads, T tokens of the pack, Q queries of a block, S keys it sees, D head
dimension.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from inform_demo.packing import Pack

TREE_ATTENTION = "inform_tree"

# Queries of a suffix go in blocks, so that a long suffix neither builds a square mask nor visits the keys after it.
QUERY_BLOCK = 512


def tree_attention(
    module: torch.nn.Module,
    query_1HTD: torch.Tensor,
    key_1KTD: torch.Tensor,
    value_1KTD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    pack: Pack | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The function transformers calls in every layer; gradients flow through it.

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

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **how: Any) -> torch.Tensor:
        return scaled_dot_product_attention(
            query, key, value, scale=scaling, dropout_p=dropout, enable_gqa=key.shape[1] != query.shape[1], **how
        )

    # One split, not a slice a segment: the gradient of a slice is a whole row of zeros, that of a split a copy.
    lengths = [n for tree in pack.trees for n in (tree.n_prefix, *tree.suffix_lengths)]
    segments = zip(*(tensor.split(lengths, dim=2) for tensor in (query_1HTD, key_1KTD, value_1KTD)), strict=True)
    out: list[torch.Tensor] = []
    for tree in pack.trees:
        prefix_query, prefix_key, prefix_value = next(segments)
        if tree.n_prefix:
            out.append(attend(prefix_query, prefix_key, prefix_value, is_causal=True))
        for n_suffix in tree.suffix_lengths:
            query, key, value = next(segments)
            key = torch.cat((prefix_key, key), dim=2)
            value = torch.cat((prefix_value, value), dim=2)
            for first in range(0, n_suffix, QUERY_BLOCK):
                last = min(first + QUERY_BLOCK, n_suffix)
                n_keys = tree.n_prefix + last
                mask_QS = _block_mask(pack, tree.n_prefix, first, last, query.device)
                out.append(attend(query[:, :, first:last], key[:, :, :n_keys], value[:, :, :n_keys], attn_mask=mask_QS))
    return torch.cat(out, dim=2).transpose(1, 2), None


def _block_mask(pack: Pack, n_prefix: int, first: int, last: int, device: torch.device) -> torch.Tensor:
    """True where suffix queries first..last may look among prefix and suffix up to last; one for all layers there."""
    key = (n_prefix, first, last, device)
    if key not in pack.masks:
        everything = torch.ones(last - first, n_prefix + last, dtype=torch.bool, device=device)
        pack.masks[key] = everything.tril(n_prefix + first)
    return pack.masks[key]


AttentionInterface.register(TREE_ATTENTION, tree_attention)

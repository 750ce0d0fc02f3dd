"""Token sequences -> one packed row in which a common prefix stands once.

A *tree* is `[prefix | suffix 1 | ... | suffix N]`: sequences that start alike, with the common start kept once. A
*pack* is one or more trees side by side in a single row without padding. Position ids restart after the prefix in
every suffix, so that each token has the position it would have alone; `attention.py` lets each token see what it
would see alone.

Knows token ids only: no model, no text, no conversation. Shape suffixes: T tokens in the pack, U unique sequences.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any

import torch

TokenIds = Sequence[int]


@dataclass(frozen=True)
class Tree:
    """Lengths of one `[prefix | suffix 1 | ... | suffix N]` in tokens. Every suffix has at least one token."""

    n_prefix: int
    suffix_lengths: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """Tokens the tree takes up in the pack."""
        return self.n_prefix + sum(self.suffix_lengths)

    def segments(self, root: int) -> list[Segment]:
        """What attention computes apart, where the tree stands at `root`: prefix and first suffix, then each other one.

        The first suffix follows the prefix in the row as it does alone, so the two are one plain sequence.
        """
        first, *others = self.suffix_lengths
        spans = pairwise(accumulate((self.n_prefix + first, *others), initial=root))
        return [Segment(a, b, root, 0 if a == root else self.n_prefix) for a, b in spans]


@dataclass(frozen=True)
class Segment:
    """Tokens first..last of the row, which see causally one another and, before that, `n_prefix` tokens from `root` on.

    Attributes:
        root: where the tree stands in the row.
    """

    first: int
    last: int
    root: int
    n_prefix: int

    @property
    def n_tokens(self) -> int:
        """Queries of the segment."""
        return self.last - self.first


@dataclass(frozen=True)
class Pack:
    """One forward pass: what goes in, and where the rewards come out.

    Attributes:
        input_ids_1T, position_ids_1T: int64, one row.
        last_index_U: position in the row of each unique sequence's last token, in packed order.
        row_of: for each sequence, in the caller's order, its row of `last_index_U`.
        n_shared: for each sequence, in the caller's order, the length of its tree's prefix.
        trees: the layout of the row, for the attention function.
        plans: what a kernel derives from the layout, such as masks and indices, kept for the layers of one forward.
    """

    input_ids_1T: torch.Tensor
    position_ids_1T: torch.Tensor
    last_index_U: torch.Tensor
    row_of: tuple[int, ...]
    n_shared: tuple[int, ...]
    trees: tuple[Tree, ...]
    plans: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_tokens(self) -> int:
        """Tokens that are computed."""
        return self.input_ids_1T.shape[1]

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Those of all trees, in the order of the row, which they fill without a gap."""
        roots = accumulate((tree.n_tokens for tree in self.trees[:-1]), initial=0)
        return tuple(chain.from_iterable(tree.segments(root) for tree, root in zip(self.trees, roots, strict=True)))

    def positions(self, sequence: int) -> list[int]:
        """Where the tokens of a sequence, by its number in the caller's order, stand in the row."""
        row, start = self.row_of[sequence], 0
        for tree in self.trees:
            if row < len(tree.suffix_lengths):
                break
            row, start = row - len(tree.suffix_lengths), start + tree.n_tokens
        last = int(self.last_index_U[self.row_of[sequence]])
        return [*range(start, start + tree.n_prefix), *range(last + 1 - tree.suffix_lengths[row], last + 1)]

    def to(self, device: torch.device | str) -> Pack:
        """The same pack on another device; this very one, with what it keeps, where it is there already."""
        if torch.device(device) == self.input_ids_1T.device:
            return self
        return Pack(
            self.input_ids_1T.to(device),
            self.position_ids_1T.to(device),
            self.last_index_U.to(device),
            self.row_of,
            self.n_shared,
            self.trees,
            self.plans,
        )


def find_shared_prefix(sequences: Sequence[TokenIds]) -> int:
    """Length of the longest common prefix that leaves every sequence at least one token of its own.

    It is compared in token ids, never in text: a tokenizer may merge the last letters of a common text differently.
    """
    # In sorted order the first and the last differ earliest, so what these two share, all share.
    first, last = min(map(tuple, sequences)), max(map(tuple, sequences))
    longest = min(len(sequence) for sequence in sequences) - 1
    for i in range(longest):
        if first[i] != last[i]:
            return i
    return longest


def build_pack(groups: Sequence[Sequence[TokenIds]]) -> Pack:
    """Pack groups of sequences, one tree a group.

    Within a tree the suffixes stand in sorted order and equal sequences stand once. So the order in which a caller
    names two answers cannot reach the arithmetic, and equal answers get equal rewards to the bit.

    Args:
        groups: non-empty groups of non-empty sequences of token ids; a group's sequences usually share a prompt.
    """
    ids: list[int] = []
    positions: list[int] = []
    last_index: list[int] = []
    row_of: list[int] = []
    n_shared: list[int] = []
    trees: list[Tree] = []
    for group in groups:
        assert group and all(len(sequence) for sequence in group), "groups and sequences are never empty"
        keys = [tuple(sequence) for sequence in group]
        unique = sorted(set(keys))
        n_prefix = find_shared_prefix(unique)
        ids += unique[0][:n_prefix]
        positions += range(n_prefix)
        first_row = len(last_index)
        for sequence in unique:
            ids += sequence[n_prefix:]
            positions += range(n_prefix, len(sequence))
            last_index.append(len(ids) - 1)
        row_of += (first_row + unique.index(key) for key in keys)
        n_shared += [n_prefix] * len(keys)
        trees.append(Tree(n_prefix, tuple(len(sequence) - n_prefix for sequence in unique)))
    return Pack(
        torch.tensor([ids]),
        torch.tensor([positions]),
        torch.tensor(last_index),
        tuple(row_of),
        tuple(n_shared),
        tuple(trees),
    )


def count_packed_tokens(group: Sequence[TokenIds]) -> int:
    """Tokens that a group takes up in a pack."""
    unique = {tuple(sequence) for sequence in group}
    n_prefix = find_shared_prefix([*unique])
    return n_prefix + sum(len(sequence) - n_prefix for sequence in unique)


def fill_forwards(n_tokens: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Groups by their numbers, in order, as many to a forward as stay within `most_tokens`, and at least one.

    Args:
        n_tokens: what each group takes up.
    """
    forwards: list[list[int]] = []
    room = 0
    for group, n in enumerate(n_tokens):
        if not forwards or n > room:
            forwards.append([])
            room = most_tokens
        forwards[-1].append(group)
        room -= n
    return forwards


def split_groups(groups: Sequence[Sequence[TokenIds]]) -> list[tuple[list[Sequence[TokenIds]], list[int]]]:
    """Two halves of what is too much for one pack, each with the places of its sequences among all.

    Groups stay whole while there is more than one; then equal sequences stay together, and which of the others do does
    not depend on the order given. Nothing where all sequences are the same one.
    """
    if len(groups) > 1:
        middle = len(groups) // 2
        n_first, n_all = sum(map(len, groups[:middle])), sum(map(len, groups))
        return [([*groups[:middle]], [*range(n_first)]), ([*groups[middle:]], [*range(n_first, n_all)])]
    (group,) = groups
    unique = sorted({tuple(sequence) for sequence in group})
    early = set(unique[: len(unique) // 2])
    halves = [
        [i for i, sequence in enumerate(group) if (tuple(sequence) in early) is is_early] for is_early in (True, False)
    ]
    return [([[group[i] for i in half]], half) for half in halves] if early else []

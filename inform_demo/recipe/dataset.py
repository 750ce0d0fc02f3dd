"""Preference pairs as a training step wants them: token ids, a weight, one pack a batch. Knows no model, no loss.

Shape suffix: P pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from inform_demo.chat import ChatEncoder
from inform_demo.errors import ConversationTooLongError
from inform_demo.packing import build_pack
from inform_demo.types import PreferencePair


@dataclass(frozen=True)
class EncodedPair:
    """Token ids of a pair's two whole conversations, and its loss weight."""

    chosen: list[int]
    rejected: list[int]
    weight: float


class PairDataset(Dataset[EncodedPair]):
    """Encoded pairs in memory: a preference set is small beside its model.

    Attributes:
        n_too_long: pairs left out because a conversation has more tokens than the encoder allows.
    """

    def __init__(self, pairs: Iterable[PreferencePair], chat: ChatEncoder, weights: Mapping[int, float]) -> None:
        self._pairs: list[EncodedPair] = []
        self.n_too_long = 0
        for pair in pairs:
            try:
                chosen, rejected = chat.encode(pair.chosen), chat.encode(pair.rejected)
            except ConversationTooLongError:
                self.n_too_long += 1
                continue
            self._pairs.append(EncodedPair(chosen, rejected, weights[pair.magnitude]))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> EncodedPair:
        return self._pairs[index]


def collate_pairs(pairs: Sequence[EncodedPair]) -> dict[str, Any]:
    """One pack of P trees, rewards coming out as chosen, rejected, chosen, rejected, ..., and the weights, (P,)."""
    return {
        "pack": build_pack([(pair.chosen, pair.rejected) for pair in pairs]),
        "weight_P": torch.tensor([pair.weight for pair in pairs]),
    }

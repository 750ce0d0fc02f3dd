"""How many bytes a model takes in each precision, block by block, and how many a forward works with beside them.

Knows a model's shape: parameters on the meta device, which have no bytes. Knows no device, no file and no weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from torch import nn

from inform_demo.config import Precision
from inform_demo.memory import peak_bytes
from inform_demo.modeling import INFORMForSequenceClassification

# A comparison is two conversations in one forward, which may have nothing in common.
CONVERSATIONS = 2

# Bytes of a quantised weight with its scales: int8 has one float32 a row; nf4 one a block of 64, itself in 8 bits with
# a float32 for 256 of them.
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)

# A matrix in nf4 keeps its two code books (16 and 256 float32) and an offset.
_NF4_MATRIX_BYTES = 4 * (16 + 256 + 1)


@dataclass(frozen=True)
class Footprint:
    """What one precision takes.

    Attributes:
        blocks: bytes of each module that no two devices can share, by name, in the order of the forward.
        working_bytes: the most that a forward of the largest request holds at one time beside the weights, on each
            device that has a block.
    """

    blocks: Mapping[str, int]
    working_bytes: int

    @property
    def weight_bytes(self) -> int:
        """All blocks together."""
        return sum(self.blocks.values())


def measure(model: INFORMForSequenceClassification, max_tokens: int) -> dict[Precision, Footprint]:
    """The footprint in each precision; the model may live on the meta device.

    Quantised are the linear layers of the backbone; embeddings and norms stay in bf16, the score head in float32.

    Args:
        max_tokens: of one conversation; the largest request is two of them.
    """
    blocks = dict(_blocks(model))
    n_tokens = CONVERSATIONS * max_tokens
    return {
        precision: Footprint(
            {name: _block_bytes(name, block, precision) for name, block in blocks.items()},
            peak_bytes(model.config, n_tokens, precision, trace=True),
        )
        for precision in get_args(Precision)
    }


def _blocks(model: INFORMForSequenceClassification) -> Iterator[tuple[str, nn.Module]]:
    # The rotary table stands with the embeddings: it is computed once, from the positions, before the first layer.
    yield "model.embed_tokens", model.model.embed_tokens
    yield "model.rotary_emb", model.model.rotary_emb
    for i, layer in enumerate(model.model.layers):
        yield f"model.layers.{i}", layer
    yield "model.norm", model.model.norm
    yield "score", model.score


def _block_bytes(name: str, block: nn.Module, precision: Precision) -> int:
    n_all = sum(parameter.numel() for parameter in block.parameters())
    if name == "score" or precision == "fp32":
        return 4 * n_all
    linears = [module.weight for module in block.modules() if isinstance(module, nn.Linear)]
    n_linear = sum(weight.numel() for weight in linears)
    rest = 2 * (n_all - n_linear)
    if precision == "int8":
        return rest + n_linear + 4 * sum(weight.shape[0] for weight in linears)
    if precision == "nf4":
        return rest + round(_NF4_BYTES * n_linear) + _NF4_MATRIX_BYTES * len(linears)
    return rest + 2 * n_linear

"""The working memory of a pass, counted against the tensors of a real one."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from inform_demo.forward import mlp_in_pieces
from inform_demo.memory import estimate_bytes, fitting_tokens
from inform_demo.packing import build_pack
from tests.conftest import build_tiny_model, tiny_config


class PeakBytes(TorchDispatchMode):
    """The most bytes of tensors made under it that were alive at once."""

    def __init__(self):
        super().__init__()
        self.alive, self.now, self.peak = set(), 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if torch.is_tensor(tensor) and tensor.untyped_storage()._cdata not in self.alive:
                storage = tensor.untyped_storage()
                self.alive.add(storage._cdata)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out

    def _free(self, key, n_bytes):
        self.alive.discard(key)
        self.now -= n_bytes


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("mlp_rows", [None, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "shape", [{"intermediate_size": 3584, "hidden_size": 512}, {"intermediate_size": 128, "hidden_size": 512}]
)
def test_the_estimate_is_at_least_what_a_pass_takes_and_not_twice_as_much(shape, dtype, mlp_rows, trace):
    model = build_tiny_model(dtype, num_hidden_layers=2, **shape)
    pack = build_pack([[[5] * 400 + [6] * 700, [5] * 400 + [7] * 600]])
    with torch.inference_mode(), PeakBytes() as measured:
        if mlp_rows is None:
            model(pack=pack, trace=trace)
        else:
            with mlp_in_pieces(model, mlp_rows):
                model(pack=pack, trace=trace)
    estimate = estimate_bytes(model.config, pack.n_tokens, dtype.itemsize, mlp_rows=mlp_rows, trace=trace)
    assert measured.peak < estimate < 2 * measured.peak + 16 * 2**20


@pytest.mark.parametrize("free", [2**24, 2**27, 2**30])
def test_the_tokens_that_fit_are_the_most_that_do(free):
    config = tiny_config()
    n = fitting_tokens(config, free, 2, mlp_rows=512)
    assert n == 0 or estimate_bytes(config, n, 2, mlp_rows=512) <= free
    assert estimate_bytes(config, n + 1, 2, mlp_rows=512) > free

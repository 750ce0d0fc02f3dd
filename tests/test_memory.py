"""The working memory of a pass, counted against the tensors of a real one."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from inform_demo.forward import mlp_in_pieces
from inform_demo.memory import estimate_bytes, fitting_tokens, free_cuda_bytes, is_out_of_memory, peak_bytes
from inform_demo.packing import build_pack
from inform_demo.placement import find_devices
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
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize(
    "shape", [{"intermediate_size": 3584, "hidden_size": 512}, {"intermediate_size": 128, "hidden_size": 512}]
)
def test_the_estimate_is_at_least_what_a_pass_takes_and_not_twice_as_much(shape, precision, dtype, mlp_rows, trace):
    model = build_tiny_model(dtype, num_hidden_layers=2, **shape)
    pack = build_pack([[[5] * 400 + [6] * 700, [5] * 400 + [7] * 600]])
    with torch.inference_mode(), PeakBytes() as measured:
        if mlp_rows is None:
            model(pack=pack, trace=trace)
        else:
            with mlp_in_pieces(model, mlp_rows):
                model(pack=pack, trace=trace)
    estimate = estimate_bytes(model.config, pack.n_tokens, precision, mlp_rows=mlp_rows, trace=trace)
    assert measured.peak < estimate < 2 * measured.peak + 16 * 2**20


@pytest.mark.parametrize("free", [2**24, 2**27, 2**30])
def test_the_tokens_that_fit_are_the_most_that_do(free):
    config = tiny_config()
    n = fitting_tokens(config, free, "bf16", mlp_rows=512)
    assert n == 0 or estimate_bytes(config, n, "bf16", mlp_rows=512) <= free
    assert estimate_bytes(config, n + 1, "bf16", mlp_rows=512) > free


def test_a_quantised_pass_takes_more_than_one_in_bf16():
    """By definition: an int32 product beside the bf16 one of the widest layer; one matrix spread out to bf16."""
    config = tiny_config(hidden_size=512, intermediate_size=3584)
    bf16, int8, nf4 = (peak_bytes(config, 1000, precision) for precision in ("bf16", "int8", "nf4"))
    assert int8 - bf16 == 1000 * 3584 * 2
    assert nf4 - bf16 == 512 * 3584 * 2


def test_what_torch_keeps_for_its_next_tensors_counts_as_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5, 80))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 10)
    assert free_cuda_bytes(0) == 65
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"card {i}")
    assert [(device.name, device.free_bytes) for device in find_devices()] == [("card 0", 65), ("card 1", 65)]


def test_memory_that_runs_out_is_known_by_type_or_by_the_allocators_words():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)  # the CPU's allocator, which has no type for it
    assert type(caught.value) is RuntimeError
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(OSError("can't allocate memory"))

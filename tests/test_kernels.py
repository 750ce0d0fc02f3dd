"""Every kernel against one explicit mask over the whole row, at lengths around the blocks that kernels work in."""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.util import find_spec
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inform_demo import kernels
from inform_demo.kernels import (
    FLASH_ATTN,
    KERNELS,
    MERGED,
    SDPA,
    TORCH_VARLEN,
    build_varlen_plan,
    resolve_kernel,
    varlen_attention,
)
from inform_demo.packing import build_pack
from tests.conftest import build_tiny_model
from tests.test_attention import answers_to_one_prompt

CPU = torch.device("cpu")

# The CPU's kernel takes queries by 32, 64 or 256 and keys by 512; an explicit mask is built for 512 queries at a time.
EDGES = (1, 31, 32, 33, 63, 64, 65, 191, 193, 255, 257, 511, 512, 513)


def trees_of(*lengths):
    """A pack with a tree for each (prefix, suffix, suffix, ...), given by lengths."""
    return build_pack(
        [
            [[1] * n_prefix + [2 + i] * n_suffix for i, n_suffix in enumerate(suffixes)]
            for n_prefix, *suffixes in lengths
        ]
    )


def random_rows(pack, dtype=torch.float32, seed=0, device="cpu"):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, n, pack.n_tokens, 16, generator=generator).to(device, dtype) for n in (6, 2, 2)]


def by_explicit_mask(query, key, value, pack):
    """The definition: which tokens each token may see, read off the row's own sequences, and a softmax over them."""
    n = pack.n_tokens
    sees = torch.zeros(n, n, dtype=torch.bool)
    for i in range(len(pack.row_of)):
        places = torch.tensor(pack.positions(i))
        sees[places[:, None], places] |= torch.ones(len(places), len(places), dtype=torch.bool).tril()
    query, key, value = (row.double().cpu() for row in (query, key, value))
    key, value = (row.repeat_interleave(query.shape[1] // row.shape[1], dim=1) for row in (key, value))
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return scores.masked_fill(~sees, float("-inf")).softmax(-1) @ value


def varlen_by_definition(query, key, value, plan, scale):
    """What CUDA's varlen functions promise: segment by segment, causal, aligned at the end of queries and keys."""
    n_repeats, out = query.shape[1] // key.shape[1], torch.empty_like(query)
    queries, keys = plan.query_ends.tolist(), plan.key_ends.tolist()
    for q0, q1, k0, k1 in zip(queries, queries[1:], keys, keys[1:], strict=False):
        assert q1 - q0 <= plan.max_queries
        assert k1 - k0 <= plan.max_keys
        for head in range(query.shape[1]):
            scores = query[q0:q1, head] @ key[k0:k1, head // n_repeats].T * (scale or query.shape[-1] ** -0.5)
            n_later = torch.arange(k1 - k0)[None] - torch.arange(q1 - q0)[:, None] - (k1 - k0 - q1 + q0)
            out[q0:q1, head] = (
                scores.masked_fill(n_later > 0, float("-inf")).softmax(-1) @ value[k0:k1, head // n_repeats]
            )
    return out


ON_CPU = {
    SDPA: KERNELS[SDPA],
    MERGED: KERNELS[MERGED],
    "varlen": lambda *row, **how: varlen_attention(varlen_by_definition, *row, **how),
}


@pytest.mark.parametrize("name", ON_CPU)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_lengths_around_block_edges(name, data):
    edge = st.sampled_from(EDGES)
    n_prefix, suffixes = data.draw(st.sampled_from((0, *EDGES))), data.draw(st.lists(edge, min_size=1, max_size=3))
    pack = trees_of((n_prefix, *suffixes), (5, 3, 40), (33, 1))
    rows = random_rows(pack)
    assert (ON_CPU[name](*rows, pack).double() - by_explicit_mask(*rows, pack)).abs().max() < 1e-5


@pytest.mark.parametrize("name", ON_CPU)
def test_the_scale_is_used(name):
    pack = trees_of((40, 9, 70))
    query, key, value = random_rows(pack)
    halved = ON_CPU[name](query, key, value, pack, scale=0.5 / 16**0.5)
    assert (halved.double() - by_explicit_mask(query / 2, key, value, pack)).abs().max() < 1e-5


@pytest.mark.parametrize("size", [1e-3, 6.0])
def test_merging_survives_flat_and_extreme_scores(size):
    """With large scores one part has all the weight, and its exponentials alone would overflow."""
    pack = trees_of((100, 50, 60))
    query, key, value = random_rows(pack)
    assert torch.allclose(
        KERNELS[MERGED](size * query, size * key, value, pack).double(),
        by_explicit_mask(size * query, size * key, value, pack),
        rtol=0,
        atol=1e-3,
    )


@pytest.mark.parametrize("n_prefix", [64, 700])
def test_merging_in_bf16_is_as_exact_as_bf16_is(n_prefix):
    pack = trees_of((n_prefix, 300, 200, 513))
    rows = random_rows(pack, torch.bfloat16)
    errors = {name: KERNELS[name](*rows, pack).double() - by_explicit_mask(*rows, pack) for name in (SDPA, MERGED)}
    assert errors[MERGED].square().mean() < 4 * errors[SDPA].square().mean()


@settings(max_examples=20, deadline=None)
@given(sequences=answers_to_one_prompt())
def test_the_plan_of_one_call_covers_the_row_once_and_shows_each_token_its_own_sequence(sequences):
    pack = build_pack([sequences, [[7, 8], [7, 9]]])
    plan = build_varlen_plan(pack)
    assert plan.query_ends[-1] == pack.n_tokens
    assert plan.key_ends[-1] == len(plan.key_index_S)
    of_row = {tuple(pack.positions(i)) for i in range(len(pack.row_of))}
    ends = plan.key_ends.tolist()
    segments = {tuple(plan.key_index_S[a:b].tolist()) for a, b in pairwise(ends)}
    assert segments == of_row


def test_the_choice_on_a_cpu():
    for dtype in (torch.float32, torch.bfloat16):
        name, reason = resolve_kernel(CPU, dtype)
        assert name == MERGED
        assert "no mask" in reason


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda query, *_: torch.zeros_like(query), "is off by"),
        (lambda query, *_: torch.full_like(query, float("nan")), "is off by"),
        (lambda *_: torch.ops.aten.no_such_operator, "does not run here"),
    ],
)
def test_a_kernel_that_is_wrong_or_missing_is_passed_over_with_the_reason(monkeypatch, broken, words):
    monkeypatch.setitem(kernels.KERNELS, MERGED, broken)
    name, reason = resolve_kernel.__wrapped__(CPU, torch.float32)
    assert name == SDPA
    assert f"{MERGED} {words}" in reason


CUDA = torch.device("cuda")  # only its name: nothing below touches a device


def test_the_choice_on_a_gpu(monkeypatch):
    """flash-attn where it is installed, then torch's own; each that is passed over says why."""
    choose = resolve_kernel.__wrapped__
    name, reason = choose(CUDA, torch.float32)
    assert name == SDPA
    assert reason.index(f"{FLASH_ATTN} computes in 16 bits") < reason.index(f"{TORCH_VARLEN} computes in 16 bits")
    monkeypatch.setattr(kernels, "_find_problem", lambda name, *_: "no" if name == FLASH_ATTN else None)
    assert choose(CUDA, torch.bfloat16) == (TORCH_VARLEN, f"{kernels._STRENGTHS[TORCH_VARLEN]}; no")
    monkeypatch.setattr(kernels, "_find_problem", lambda *_: None)
    assert choose(CUDA, torch.bfloat16)[0] == FLASH_ATTN


def test_without_flash_attn_the_reason_says_so():
    if find_spec("flash_attn"):
        pytest.skip("flash-attn is installed")
    assert kernels._find_problem(FLASH_ATTN, CPU, torch.bfloat16) == "flash-attn is not installed"


def test_memory_that_runs_out_in_the_trial_is_no_verdict_on_the_kernel(monkeypatch):
    def run_out(*_):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setitem(kernels.KERNELS, MERGED, run_out)
    with pytest.raises(torch.OutOfMemoryError):
        resolve_kernel.__wrapped__(CPU, torch.float32)


# The published signatures of flash-attn 2.8 and torch 2.11, with what they promise computed by definition.
def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
    dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1),
):  # fmt: skip
    assert causal
    assert (dropout_p, window_size) == (0.0, (-1, -1))
    plan = kernels.VarlenPlan(None, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    return varlen_by_definition(q, k, v, plan, softmax_scale)


def varlen_attn(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, **how):
    inspect.signature(torch.nn.attention.varlen.varlen_attn).bind(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, **how
    )
    assert how["window_size"] == (-1, 0), "causal"
    assert how["enable_gqa"]
    return varlen_by_definition(
        query, key, value, kernels.VarlenPlan(None, cu_seq_q, cu_seq_k, max_q, max_k), how["scale"]
    )


@pytest.mark.parametrize("name", [FLASH_ATTN, TORCH_VARLEN])
@pytest.mark.parametrize("scale", [None, 0.5])
def test_the_varlen_functions_get_their_arguments_in_their_order(monkeypatch, name, scale):
    """Cannot run here without a GPU: what is checked is the call, against functions that do what those promise."""
    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=flash_attn_varlen_func))
    module = SimpleNamespace(varlen_attn=varlen_attn)
    real = importlib.import_module("torch.nn.attention.varlen")
    monkeypatch.setattr(torch.nn.attention, "varlen", real, raising=False)
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", module)
    pack = trees_of((9, 4, 7), (0, 5), (3, 1, 1, 2))
    query, key, value = random_rows(pack)
    factor = 1.0 if scale is None else scale * query.shape[-1] ** 0.5
    found = KERNELS[name](query, key, value, pack, scale)
    assert (found.double() - by_explicit_mask(query * factor, key, value, pack)).abs().max() < 1e-5


def test_a_pack_keeps_its_plans_on_another_device():
    pack = trees_of((9, 4, 7))
    assert pack.to("meta").plans is pack.plans


def test_the_report_names_the_kernel_that_runs(embedded_scorer, monkeypatch):
    name = embedded_scorer.report.attention_kernel
    assert (name, embedded_scorer.report.attention_reason) == resolve_kernel(CPU, embedded_scorer._model.dtype)
    used = []
    monkeypatch.setitem(kernels.KERNELS, name, lambda *row: used.append(1) or KERNELS[SDPA](*row))
    embedded_scorer.compare("Name a prime.", "7", "8")
    assert len(used) == embedded_scorer._model.config.num_hidden_layers


@pytest.mark.parametrize("name", [SDPA, MERGED])
def test_equal_answers_and_swapped_answers_in_bf16(name):
    model = build_tiny_model(torch.bfloat16)
    a, b = [5] * 90 + [6] * 300, [5] * 90 + [7] * 65
    with torch.inference_mode():
        one, two, swapped = (
            model(pack=build_pack([pair]), kernel=name).logits[:, 0].tolist() for pair in ([a, b], [a, a], [b, a])
        )
    assert one == swapped[::-1]
    assert two[0] == two[1]


def test_gradients_never_go_through_a_kernel_that_has_none(monkeypatch):
    monkeypatch.setitem(kernels.KERNELS, MERGED, None)
    model = build_tiny_model().requires_grad_()
    model(pack=trees_of((4, 3, 5))).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.gpu
@pytest.mark.parametrize("name", [FLASH_ATTN, TORCH_VARLEN, SDPA])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(name, dtype):
    if name == FLASH_ATTN:
        pytest.importorskip("flash_attn", reason="flash-attn is not installed")
    pack = trees_of((700, 300, 200, 513), (0, 64, 65), (31, 1))
    rows = random_rows(pack, dtype, device="cuda")
    found = KERNELS[name](*rows, pack).cpu().double()
    assert (found - by_explicit_mask(*rows, pack)).abs().max() < 2e-2
    assert torch.equal(found, KERNELS[name](*rows, pack).cpu().double()), "the same bits every time"

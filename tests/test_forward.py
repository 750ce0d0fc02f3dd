"""Faults put into a pass, memory that runs out or a hang: each ends clearly, and the next request works."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from inform_demo import forward as forward_module
from inform_demo.errors import ModelStuckError, NoRoomError, OutOfMemoryError, ScoringTimeoutError
from inform_demo.forward import ForwardRunner, mlp_in_pieces
from inform_demo.memory import estimate_bytes
from inform_demo.packing import count_packed_tokens, fill_forwards, split_groups
from inform_demo.scoring import RewardScorer
from tests.conftest import build_tiny_model
from tests.test_attention import answers_to_one_prompt

GROUPS = [
    [[5] * 9 + [6, 7, 8], [5] * 9 + [1] * 20, [5] * 9 + [3], [5] * 9 + [3]],
    [[11, 12, 13], [11, 12, 14, 15]],
    [[21] * 5],
]


def values(results):
    return [result.value for result in results]


@contextmanager
def hooked(model, hook):
    handles = [module.register_forward_pre_hook(hook) for module in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def n_rows(inputs):
    return max((tensor.shape[1] for tensor in inputs if torch.is_tensor(tensor) and tensor.dim() == 3), default=0)


@pytest.fixture
def runner(tree_model):
    return ForwardRunner(tree_model)


@pytest.fixture(scope="module")
def expected(tree_model):
    return ForwardRunner(tree_model).run(GROUPS, trace=True)


def assert_same(results, expected):
    for result, due in zip(results, expected, strict=True):
        assert result.value == pytest.approx(due.value, abs=1e-5)
        assert result.token_values == pytest.approx(due.token_values, abs=1e-5)


N_MODULES = len([*build_tiny_model().modules()])


@pytest.mark.parametrize("k", range(0, N_MODULES, 3))
def test_out_of_memory_once_at_the_kth_module_changes_no_reward(tree_model, runner, expected, k):
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == k + 1:
            raise torch.OutOfMemoryError("injected")

    with hooked(tree_model, fail):
        assert_same(runner.run(GROUPS, trace=True), expected)
    assert len(calls) > k


class FailAt(TorchDispatchMode):
    """Runs out of memory at the kth operation that torch carries out under it, whatever it is, and then no more."""

    def __init__(self, k):
        super().__init__()
        self.k, self.n = k, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.n += 1
        if self.n == self.k + 1:
            raise torch.OutOfMemoryError("injected")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("k", [*range(0, 40, 3), *range(40, 240, 11)])
def test_out_of_memory_at_the_kth_operation_changes_no_reward(tree_model, runner, expected, monkeypatch, k):
    """In the attention kernel, in the gather of last tokens, in the head: a pass may end anywhere."""
    forward, mode = tree_model.forward, FailAt(k)

    def failing(*args, **kwargs):
        with mode:  # in the thread of the pass, where it has to be
            return forward(*args, **kwargs)

    monkeypatch.setattr(tree_model, "forward", failing)
    assert_same(runner.run(GROUPS, trace=True), expected)
    assert mode.n > k
    monkeypatch.undo()
    assert values(runner.run(GROUPS, trace=True)) == values(expected)


def test_the_cpus_own_allocator_running_out_is_no_other_error(tree_model, runner, expected):
    n_failures = [1]

    def ask_for_too_much(*_):
        if n_failures and n_failures.pop():
            torch.empty(2**50)

    with hooked(tree_model, ask_for_too_much):
        assert_same(runner.run(GROUPS, trace=True), expected)
    assert not n_failures


@pytest.mark.parametrize("fits", [34, 29, 12, 6])
def test_what_does_not_fit_goes_in_halves_down_to_single_conversations(tree_model, runner, expected, caplog, fits):
    def fail(_module, inputs):
        if n_rows(inputs) > fits:
            raise torch.OutOfMemoryError("injected")

    with hooked(tree_model, fail):
        if fits >= 29:
            results = runner.run(GROUPS, trace=True)
            assert_same(results, expected)
            assert results[-1].n_shared == expected[-1].n_shared
            assert (results[0].n_shared == 0) == (fits < count_packed_tokens(GROUPS[0]))
            assert "going on in two halves" in caplog.text
        else:
            with pytest.raises(OutOfMemoryError, match=r"Not enough memory to score 29 tokens at once"):
                runner.run(GROUPS)
    assert values(runner.run(GROUPS, trace=True)) == values(expected)


def test_the_last_resort_takes_the_mlps_in_pieces(tree_model, runner, expected, monkeypatch):
    monkeypatch.setattr(forward_module, "MLP_ROWS", 4)
    mlp = tree_model.model.layers[1].mlp

    def fail(_module, inputs):
        if n_rows(inputs) > 4:
            raise torch.OutOfMemoryError("injected")

    handle = mlp.gate_proj.register_forward_pre_hook(fail)
    assert_same(runner.run(GROUPS, trace=True), expected)
    handle.remove()
    assert "forward" not in mlp.__dict__
    assert values(runner.run(GROUPS, trace=True)) == values(expected)


def test_pieces_leave_a_forward_that_was_put_there_before(tree_model):
    mlp = tree_model.model.layers[0].mlp
    own = mlp.forward
    mlp.forward = own
    try:
        with mlp_in_pieces(tree_model, 3):
            assert mlp.forward is not own
        assert mlp.forward is own
    finally:
        del mlp.forward


def test_in_halves_too_a_swap_moves_no_bit_and_equal_answers_stay_equal():
    model = build_tiny_model(torch.bfloat16)
    group = GROUPS[0]

    def fail(_module, inputs):
        if n_rows(inputs) > 29:
            raise torch.OutOfMemoryError("injected")

    with hooked(model, fail):
        one, other = ForwardRunner(model).run([group]), ForwardRunner(model).run([group[::-1]])
    assert values(one) == values(other)[::-1]
    assert one[2] == one[3]


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(answers_to_one_prompt(), min_size=1, max_size=3))
def test_halves_hold_everything_once_and_end_at_single_sequences(groups):
    flat = [tuple(sequence) for group in groups for sequence in group]
    pieces = split_groups(groups)
    if not pieces:
        assert len(groups) == 1
        assert len(set(flat)) == 1
        return
    assert sorted(place for _, places in pieces for place in places) == list(range(len(flat)))
    for piece, places in pieces:
        assert [tuple(sequence) for group in piece for sequence in group] == [flat[place] for place in places]
    kept = [{tuple(sequence) for group in piece for sequence in group} for piece, _ in pieces]
    assert len(groups) > 1 or not kept[0] & kept[1]


@given(n_tokens=st.lists(st.integers(1, 50), max_size=12), most=st.integers(0, 90))
def test_forwards_are_filled_in_order_and_never_needlessly_many(n_tokens, most):
    forwards = fill_forwards(n_tokens, most)
    assert [group for forward in forwards for group in forward] == list(range(len(n_tokens)))
    sizes = [sum(n_tokens[group] for group in forward) for forward in forwards]
    assert all(size <= most or len(forward) == 1 for size, forward in zip(sizes, forwards, strict=True))
    assert all(size + n_tokens[after[0]] > most for size, after in zip(sizes, forwards[1:], strict=False))


@pytest.mark.parametrize("fitting", [[5] * 9 + [0], [5] * 9 + [7] * 3])
def test_what_cannot_fit_is_refused_before_it_runs_with_the_numbers(tree_model, runner, expected, monkeypatch, fitting):
    """Whether the answer that would fit comes before or after the other in the pack."""
    begun = []
    free = estimate_bytes(tree_model.config, 20, "fp32", mlp_rows=forward_module.MLP_ROWS)
    monkeypatch.setattr(forward_module, "free_bytes", lambda _model: free)
    with hooked(tree_model, lambda *_: begun.append(1)), pytest.raises(NoRoomError, match="29 tokens") as caught:
        runner.run([GROUPS[2], [fitting, [5] * 9 + [1] * 20]])
    assert not begun
    assert (caught.value.n_tokens, caught.value.free_bytes) == (29, free)
    assert caught.value.needed_bytes > free
    assert 20 <= caught.value.fitting_tokens < 29
    monkeypatch.undo()
    assert values(runner.run(GROUPS, trace=True)) == values(expected)


def test_what_fits_only_in_halves_is_not_begun_whole(tree_model, runner, expected, monkeypatch):
    rows = []
    free = estimate_bytes(tree_model.config, 30, "fp32", trace=True)
    monkeypatch.setattr(forward_module, "free_bytes", lambda _model: free)
    with hooked(tree_model, lambda _module, inputs: rows.append(n_rows(inputs))):
        assert_same(runner.run(GROUPS, trace=True), expected)
    assert max(rows) <= 30


@pytest.fixture
def hang(tree_model):
    """Makes the next pass wait until it is set, in the middle of the model."""
    released = threading.Event()
    handle = tree_model.model.layers[1].register_forward_pre_hook(lambda *_: released.wait(60) and None)
    yield released
    released.set()
    handle.remove()


def test_a_pass_that_hangs_is_given_up_and_the_model_serves_again_when_it_comes_back(
    tree_model, embedded_scorer, expected, hang, caplog
):
    scorer = RewardScorer(tree_model, embedded_scorer._chat, embedded_scorer.report, forward_timeout_s=0.1)
    runner = scorer._runner
    assert not scorer.is_stuck
    with pytest.raises(ScoringTimeoutError, match="Scoring 5 tokens took longer than the 0 s") as caught:
        runner.run(GROUPS[1:2])
    assert caught.value.allowed_s == pytest.approx(0.1 + 5 * forward_module.ALLOWANCE_S)
    assert scorer.is_stuck
    assert "has not come back" in caplog.text
    for _ in range(2):
        with pytest.raises(ModelStuckError, match="a pass that began 0 s ago has not come back"):
            runner.run(GROUPS)
    hang.set()
    runner._watchdog._late.result(60)
    assert not scorer.is_stuck
    runner._timeout_s = 60.0
    assert values(runner.run(GROUPS, trace=True)) == values(expected)


def test_who_waits_for_a_turn_behind_a_pass_that_hangs_is_told_at_once(tree_model, hang):
    runner = ForwardRunner(tree_model, timeout_s=1.0)
    found = []

    def ask():
        try:
            runner.run([[[1, 2, 3]]])
        except (ScoringTimeoutError, ModelStuckError) as error:
            found.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(error.__name__ for error in found) == ["ModelStuckError"] * 3 + ["ScoringTimeoutError"]

"""Shared-prefix scoring is exact and blind to order, and the four ways to get it silently wrong stay shut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inform_demo import kernels
from inform_demo.attention import TREE_ATTENTION
from inform_demo.packing import build_pack, find_shared_prefix
from tests.conftest import VOCABULARY, build_tiny_model

token = st.integers(0, VOCABULARY - 1)


@st.composite
def answers_to_one_prompt(draw):
    """1 to 16 sequences with a common start of any size, none included; some equal, some a prefix of another."""
    prefix = draw(st.lists(token, max_size=40))
    sequences = [prefix + draw(st.lists(token, min_size=1, max_size=12)) for _ in range(draw(st.integers(1, 8)))]
    for kind in draw(st.lists(st.sampled_from(["equal", "prefix", "one more", "last token differs"]), max_size=8)):
        chosen = draw(st.sampled_from(sequences))
        sequences.append(
            {
                "equal": list(chosen),
                "prefix": chosen[: draw(st.integers(1, len(chosen)))],
                "one more": [*chosen, draw(token)],
                "last token differs": [*chosen[:-1], (chosen[-1] + 1) % VOCABULARY],
            }[kind]
        )
    return sequences


def score(model, sequences):
    with torch.inference_mode():
        return model(pack=build_pack([sequences])).logits[:, 0]


def score_alone(plain_model, sequences):
    with torch.inference_mode():
        return torch.stack([plain_model(input_ids=torch.tensor([sequence])).logits[0, 0] for sequence in sequences])


@settings(max_examples=150, deadline=None)
@given(sequences=answers_to_one_prompt())
def test_equal_to_separate_passes(tree_model, plain_model, sequences):
    assert torch.allclose(score(tree_model, sequences), score_alone(plain_model, sequences), rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(sequences=answers_to_one_prompt(), seed=st.randoms(use_true_random=False))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_order_of_the_answers_cannot_move_a_bit(dtype, sequences, seed):
    model = MODELS[dtype]
    order = list(range(len(sequences)))
    seed.shuffle(order)
    rewards, shuffled = score(model, sequences), score(model, [sequences[i] for i in order])
    assert torch.equal(rewards[order], shuffled)
    assert torch.equal(rewards, score(model, sequences)), "the same comparison gives the same bits"
    for i, sequence in enumerate(sequences):
        assert rewards[i] == rewards[sequences.index(sequence)], "equal answers get equal rewards"


MODELS = {dtype: build_tiny_model(dtype) for dtype in (torch.float32, torch.bfloat16)}


@settings(max_examples=40, deadline=None)
@given(first=answers_to_one_prompt(), second=answers_to_one_prompt())
def test_trees_in_one_pack_do_not_see_each_other(tree_model, first, second):
    with torch.inference_mode():
        together = tree_model(pack=build_pack([first, second])).logits[:, 0]
    apart = torch.cat((score(tree_model, first), score(tree_model, second)))
    assert torch.allclose(together, apart, rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", [1, 3, 512])
def test_query_blocks_change_nothing(tree_model, plain_model, monkeypatch, block):
    monkeypatch.setattr(kernels, "QUERY_BLOCK", block)
    sequences = [[5] * 9 + [6, 7, 8, 9], [5] * 9 + [1] * 20, [5] * 9 + [3]]
    assert torch.allclose(score(tree_model, sequences), score_alone(plain_model, sequences), rtol=0, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(sequences=answers_to_one_prompt())
def test_shared_prefix_is_the_longest_that_leaves_each_a_token(sequences):
    n = find_shared_prefix(sequences)
    assert all(len(sequence) > n for sequence in sequences)
    assert len({tuple(sequence[:n]) for sequence in sequences}) == 1
    could_grow = all(len(sequence) > n + 1 for sequence in sequences)
    assert not (could_grow and len({tuple(sequence[: n + 1]) for sequence in sequences}) == 1)


@settings(max_examples=60, deadline=None)
@given(sequences=answers_to_one_prompt())
def test_the_prefix_is_computed_once(sequences):
    pack = build_pack([sequences])
    unique = {tuple(sequence) for sequence in sequences}
    n_prefix = find_shared_prefix([list(sequence) for sequence in unique])
    assert pack.n_tokens == n_prefix + sum(len(sequence) - n_prefix for sequence in unique)


def test_no_key_value_cache_is_built(tree_model, monkeypatch):
    """A cache would cost 320 KiB a token at 70B."""
    built = []
    monkeypatch.setattr("transformers.models.llama.modeling_llama.DynamicCache", lambda **_: built.append(1))
    score(tree_model, [[1, 2, 3], [1, 2, 4]])
    assert not built


def test_the_head_reads_one_row_an_answer(tree_model):
    rows = []
    handle = tree_model.score.register_forward_hook(lambda _module, inputs, _output: rows.append(inputs[0].shape[0]))
    score(tree_model, [[1, 2, 3], [1, 2, 4], [1, 2, 5, 6]])
    handle.remove()
    assert rows == [3]


def test_gradients_reach_every_layer_through_a_pack():
    model = build_tiny_model().requires_grad_()
    rewards = model(pack=build_pack([[[4, 5, 6], [4, 5, 7, 8]], [[9, 10], [11, 12]]])).logits
    rewards.sum().backward()
    separately = build_tiny_model(attention="sdpa").requires_grad_()
    for sequence in ([4, 5, 6], [4, 5, 7, 8], [9, 10], [11, 12]):
        separately(input_ids=torch.tensor([sequence])).logits.sum().backward()
    for (name, ours), (_, theirs) in zip(model.named_parameters(), separately.named_parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5), name


# The four silent traps: each shows that the wrong way is really wrong here, and that our code does not go that way.

TRAP = [[7, 8, 9, 10, 11, 12], [7, 8, 9, 20, 21, 22, 23]]


def tree_inputs():
    pack = build_pack([TRAP])
    return pack, {"input_ids": pack.input_ids_1T, "position_ids": pack.position_ids_1T}


def rewards_of(model, pack, inputs, **how):
    with torch.inference_mode():
        hidden = model.model(**inputs, **how).last_hidden_state[0, pack.last_index_U]
        return model.score(hidden)[list(pack.row_of), 0]


def test_trap_1_tree_positions_without_a_mask_on_sdpa(tree_model, plain_model):
    """Packed-sequence detection takes the jump in the positions for a new document and cuts B off from the prompt."""
    pack, inputs = tree_inputs()
    exact = score_alone(plain_model, TRAP)
    wrong = rewards_of(plain_model, pack, inputs, use_cache=False)
    assert (wrong - exact).abs().max() > 0.01
    assert torch.allclose(score(tree_model, TRAP), exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize("implementation", ["sdpa", "eager", "flash_attention_2", "flex_attention"])
def test_trap_2_and_4_a_pack_under_another_attention_is_refused(implementation):
    """flash_attention_2 splits only at the smallest position, so B would see A, and it misreads a 4D mask."""
    model = build_tiny_model(attention="eager")
    model.config._attn_implementation = implementation
    with pytest.raises(ValueError, match="would mix the pack's sequences"):
        score(model, TRAP)


def test_trap_3_the_default_cache_lets_packed_sequences_leak(tree_model, plain_model):
    """With use_cache=True packed detection is off and B sees A; ours never turns the cache on."""
    pack, inputs = tree_inputs()
    leaking = rewards_of(plain_model, pack, inputs, use_cache=True)
    exact = score_alone(plain_model, TRAP)
    assert (leaking - exact).abs().max() > 0.01
    assert tree_model.config.use_cache, "the checkpoint's default is on, as in the published one"
    assert torch.allclose(score(tree_model, TRAP), exact, rtol=0, atol=1e-5)


def test_trap_4_tree_attention_takes_no_mask(tree_model):
    with pytest.raises(ValueError, match="takes no mask"):
        tree_model(input_ids=torch.tensor([[1, 2, 3]]), attention_mask=torch.ones(1, 1, 3, 3, dtype=torch.bool))


def test_a_plain_batch_under_tree_attention_is_refused(tree_model):
    with pytest.raises(ValueError, match=f"'{TREE_ATTENTION}' attention scores a pack"):
        tree_model(input_ids=torch.tensor([[1, 2, 3]]))


def test_a_tree_mask_is_the_oracle_for_every_row(tree_model, plain_model):
    """Not only the last tokens: every hidden state equals that of one pass under the explicit (T, T) tree mask."""
    pack, inputs = tree_inputs()
    n, (tree,) = pack.n_tokens, pack.trees
    mask = torch.zeros(n, n, dtype=torch.bool)
    start = tree.n_prefix
    mask[:start, :start] = True
    for length in tree.suffix_lengths:
        mask[start : start + length, : tree.n_prefix] = True
        mask[start : start + length, start : start + length] = True
        start += length
    mask = (mask & torch.ones(n, n, dtype=torch.bool).tril())[None, None]
    with torch.inference_mode():
        expected = plain_model.model(**inputs, attention_mask=mask, use_cache=False).last_hidden_state
        ours = tree_model.model(**inputs, pack=pack, use_cache=False).last_hidden_state
    assert torch.allclose(ours, expected, rtol=0, atol=1e-5)

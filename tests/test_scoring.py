"""The scorer on the embedded checkpoint: exact on real conversations, the same bits every time, typed errors."""

from __future__ import annotations

import json
import threading

import pytest
import torch
from safetensors.torch import load_file

from inform_demo import load_scorer
from inform_demo.config import EMBEDDED_MODEL
from inform_demo.errors import (
    ConversationTooLongError,
    EmptyTextError,
    NonFiniteRewardError,
    OutOfMemoryError,
    RoleOrderError,
)
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.preference import preference_probability
from inform_demo.scoring import RewardScorer
from inform_demo.types import Message, build_conversations

PROMPT = (
    "Tom has 20 oranges. He gave 5 oranges to his friend Lisa, then he bought 3 more oranges. Finally, he "
    "divided all the oranges equally among himself and his 4 friends. How many oranges does each person get?"
)
ANSWERS = (
    "20 - 5 = 15, and 15 + 3 = 18. Tom and his 4 friends are 5 people. 18 ÷ 5 = 3.6 oranges. Each gets 3.6 oranges.",
    "20 - 5 = 15, and 15 + 3 = 18. Tom divides the 18 oranges among his 4 friends. 18 ÷ 4 = 4.5 oranges.",
    "I don't know.",
)


@pytest.fixture(scope="module")
def exact_scorer():
    return load_scorer(str(EMBEDDED_MODEL), precision="fp32")


@pytest.fixture(scope="module")
def plain_embedded():
    """The stored checkpoint by nothing but transformers' from_pretrained and its own attention."""
    return INFORMForSequenceClassification.from_pretrained(EMBEDDED_MODEL, dtype=torch.float32).eval()


def score_plainly(model, tokenizer, conversation):
    turns = [{"role": message.role, "content": message.content} for message in conversation.messages]
    ids = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False, return_tensors="pt")
    with torch.no_grad():
        return model(input_ids=ids).logits.item()


@pytest.mark.parametrize("system", [None, "You are a careful teacher of mathematics."])
def test_real_conversations_equal_separate_passes(exact_scorer, plain_embedded, tokenizer, system):
    conversations = build_conversations(PROMPT, [*ANSWERS, ANSWERS[0][:60]], system)
    rewards = [reward.value for reward in exact_scorer.score(conversations)]
    expected = [score_plainly(plain_embedded, tokenizer, conversation) for conversation in conversations]
    assert rewards == pytest.approx(expected, abs=1e-5)


def test_every_point_of_a_trace_is_the_reward_of_the_answer_cut_there(exact_scorer, plain_embedded, tokenizer):
    a, b = build_conversations(PROMPT, ANSWERS[:2])
    comparison, *traces = exact_scorer.trace_conversations(a, b)
    for conversation, trace, reward in zip((a, b), traces, (comparison.reward_a, comparison.reward_b), strict=True):
        assert "".join(trace.pieces) == conversation.response
        assert trace.values[-1] == reward
        turns = [{"role": message.role, "content": message.content} for message in conversation.messages]
        ids = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False, return_tensors="pt")
        before = ids.shape[1] - len(trace.values)
        for i in {*range(0, len(trace.values), 9), len(trace.values) - 1}:
            with torch.no_grad():
                alone = plain_embedded(input_ids=ids[:, : before + i + 1]).logits.item()
            assert trace.values[i] == pytest.approx(alone, abs=1e-5)


def test_a_trace_moves_no_bit_of_a_reward_and_follows_the_swap(embedded_scorer):
    a, b = build_conversations(PROMPT, ANSWERS[:2], "Be careful.")
    plain = embedded_scorer.compare_conversations(a, b)
    comparison, trace_a, trace_b = embedded_scorer.trace_conversations(a, b)
    assert (comparison.reward_a, comparison.reward_b) == (plain.reward_a, plain.reward_b)
    assert embedded_scorer.trace_conversations(b, a)[1:] == (trace_b, trace_a)


def test_a_trace_where_one_answer_begins_with_the_other_or_both_are_the_same(exact_scorer):
    short, long, same = build_conversations(PROMPT, ["20 - 5 = 15", "20 - 5 = 15, and", "20 - 5 = 15"])
    _, trace_short, trace_long = exact_scorer.trace_conversations(short, long)
    assert trace_short.values[:-1] == trace_long.values[: len(trace_short.values) - 1]
    _, one, other = exact_scorer.trace_conversations(short, same)
    assert one == other


def test_traces_of_different_prompts_are_refused(exact_scorer):
    (a,), (b,) = build_conversations("p", ["a"]), build_conversations("q", ["a"])
    with pytest.raises(RoleOrderError, match="same prompt"):
        exact_scorer.trace_conversations(a, b)


def test_score_keeps_the_order_of_mixed_prompts(exact_scorer):
    first, second = build_conversations(PROMPT, ANSWERS[:2]), build_conversations("Name a fruit.", ["Pear.", "Chair."])
    mixed = [second[1], first[0], second[0], first[1]]
    apart = {id(c): r for group in (first, second) for c, r in zip(group, exact_scorer.score(group), strict=True)}
    assert exact_scorer.score(mixed) == [apart[id(conversation)] for conversation in mixed]
    together = exact_scorer.score(mixed, in_one_forward=True)
    for reward, conversation in zip(together, mixed, strict=True):
        alone = apart[id(conversation)]
        assert reward.value == pytest.approx(alone.value, abs=1e-5)
        assert (reward.n_tokens, reward.n_tokens_shared) == (alone.n_tokens, alone.n_tokens_shared)


def test_one_conversation_and_none(exact_scorer):
    (conversation,) = build_conversations(PROMPT, ANSWERS[:1])
    assert len(exact_scorer.score([conversation])) == 1
    assert exact_scorer.score([]) == exact_scorer.score([], in_one_forward=True) == []


def test_swapping_the_answers_swaps_the_rewards_to_the_bit(embedded_scorer):
    one, two = embedded_scorer.compare(PROMPT, *ANSWERS[:2]), embedded_scorer.compare(PROMPT, *ANSWERS[1::-1])
    assert (one.reward_a, one.reward_b) == (two.reward_b, two.reward_a)
    assert one.margin == -two.margin
    assert embedded_scorer.report.precision in {"bf16", "fp32"}


def test_same_bits_whoever_else_asks(embedded_scorer):
    """Eight threads with other comparisons in between: every answer is the one that a lone visitor gets."""
    expected = [embedded_scorer.compare(PROMPT, ANSWERS[0], other).margin for other in ANSWERS]
    got: dict[int, float] = {}

    def ask(i):
        got[i] = embedded_scorer.compare(PROMPT, ANSWERS[0], ANSWERS[i % 3]).margin

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {i: expected[i % 3] for i in range(8)}


def test_identical_answers_tie(embedded_scorer):
    comparison = embedded_scorer.compare(PROMPT, ANSWERS[0], ANSWERS[0])
    assert (comparison.margin, comparison.preferred, comparison.preference_probability) == (0.0, "tie", 0.5)
    assert comparison.n_tokens_shared == comparison.n_tokens_a - 1


def test_the_fields_belong_together(embedded_scorer):
    comparison = embedded_scorer.compare(PROMPT, *ANSWERS[:2])
    assert comparison.margin == comparison.reward_a - comparison.reward_b
    assert comparison.preference_probability == preference_probability(comparison.margin)
    a, b = build_conversations(PROMPT, ANSWERS[:2])
    assert comparison.n_tokens_a == embedded_scorer.count_tokens(a)
    assert comparison.n_tokens_b == embedded_scorer.count_tokens(b)
    assert 0 < comparison.n_tokens_shared < min(comparison.n_tokens_a, comparison.n_tokens_b)
    assert comparison.elapsed_s > 0
    assert json.loads(json.dumps(comparison.to_dict())) == comparison.to_dict()


def test_turns_before_the_prompt_change_the_reward(embedded_scorer):
    turns = [Message("user", "Speak only Latin."), Message("assistant", "Ita vero."), Message("user", PROMPT)]
    with_turns = embedded_scorer.compare_turns(turns, *ANSWERS[:2])
    without = embedded_scorer.compare_turns(turns[2:], *ANSWERS[:2])
    assert with_turns.n_tokens_a > without.n_tokens_a
    assert with_turns.reward_a != without.reward_a
    assert without.reward_a == embedded_scorer.compare(PROMPT, *ANSWERS[:2]).reward_a


def test_too_long_gives_the_numbers_and_which_answer(embedded_scorer):
    with pytest.raises(
        ConversationTooLongError, match=r"Answer B with its prompt has [\d,]+ tokens; the limit is 8,192"
    ):
        embedded_scorer.compare(PROMPT, ANSWERS[0], "orange " * 9000)


@pytest.mark.parametrize("texts", [("", "a", "b"), ("p", " \n", "b"), ("p", "a", "")])
def test_empty_texts_are_typed_errors(embedded_scorer, texts):
    with pytest.raises(EmptyTextError):
        embedded_scorer.compare(*texts)


def broken_scorer(embedded_scorer, monkeypatch, behave):
    scorer = RewardScorer(embedded_scorer._model, embedded_scorer._chat, embedded_scorer.report)
    monkeypatch.setattr(scorer._model, "forward", behave)
    return scorer


def test_out_of_memory_is_a_typed_error_and_the_next_request_works(embedded_scorer, monkeypatch):
    def fail(**_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with (
        monkeypatch.context() as patch,
        pytest.raises(OutOfMemoryError, match=r"Not enough memory to score [\d,]+ tokens"),
    ):
        broken_scorer(embedded_scorer, patch, fail).compare(PROMPT, *ANSWERS[:2])
    assert embedded_scorer.compare(PROMPT, *ANSWERS[:2]).margin


def test_nan_is_no_reward(embedded_scorer, monkeypatch):
    weight = embedded_scorer._model.score[2].bias
    with monkeypatch.context() as patch, torch.inference_mode():
        patch.setattr(weight, "data", torch.full_like(weight, float("nan")))
        with pytest.raises(NonFiniteRewardError):
            embedded_scorer.compare(PROMPT, *ANSWERS[:2])
    assert embedded_scorer.compare(PROMPT, *ANSWERS[:2]).margin


def test_the_embedded_checkpoint_is_what_its_card_says():
    files = sorted(EMBEDDED_MODEL.glob("*.safetensors"))
    assert all(file.stat().st_size < 30e6 for file in files)
    assert sum(file.stat().st_size for file in files) < 58e6
    tensors = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert sum(tensor.numel() for tensor in tensors.values()) == 56_965_825
    assert tensors["model.layers.0.mlp.up_proj.weight"].dtype == torch.float8_e4m3fn
    assert tensors["score.0.weight"].dtype == torch.bfloat16

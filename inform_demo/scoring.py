"""RewardScorer: conversations in, rewards out, in one forward a prompt.

The plan is always the same: encode, put the conversations of one prompt into one forward, read one reward each.
A comparison is a pack of its own, never batched with anyone else's, because in bf16 the shape of a batch moves rewards;
so the same comparison gives the same bits every time, whoever else is asking.

Knows the model and the encoder; knows nothing of pages, files or training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Self, TypeVar

from inform_demo.chat import ChatEncoder
from inform_demo.config import DEFAULT_FORWARD_TIMEOUT_S, DEFAULT_TIE_BAND, ModelConfig
from inform_demo.errors import ConversationTooLongError, RoleOrderError
from inform_demo.forward import ForwardRunner
from inform_demo.loading import load_model
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.packing import count_packed_tokens, fill_forwards
from inform_demo.preference import preference_probability, resolve_preferred
from inform_demo.types import (
    Comparison,
    Conversation,
    LoadReport,
    Message,
    Reward,
    RewardTrace,
    Verification,
    build_conversations,
)

# Tokens of a forward of many prompts: enough to fill the device, few enough to leave its caches and memory alone.
BULK_TOKENS = 8192

# What an error calls the two conversations of a comparison.
ANSWERS = ("Answer A with its prompt", "Answer B with its prompt")

Encoded = TypeVar("Encoded")


def _encode_each(
    encode: Callable[[Conversation, str], Encoded], conversations: Sequence[Conversation], names: Sequence[str]
) -> list[Encoded]:
    """All of them, or the error of the first that is too long, with its place."""
    encoded = []
    for i, (conversation, name) in enumerate(zip(conversations, names, strict=True)):
        try:
            encoded.append(encode(conversation, name))
        except ConversationTooLongError as error:
            error.place = i
            raise
    return encoded


class RewardScorer:
    """Scores with one loaded model; safe to call from several threads, which then wait for one another.

    Args:
        model: in evaluation mode, with the attention implementation "inform_tree".
        chat: the checkpoint's encoder.
        report: what was loaded and why.
        tie_band: a preference probability within this of one half is a tie.
        forward_timeout_s: seconds after which a pass is given up, besides an allowance for its tokens.
    """

    def __init__(
        self,
        model: INFORMForSequenceClassification,
        chat: ChatEncoder,
        report: LoadReport,
        tie_band: float = DEFAULT_TIE_BAND,
        forward_timeout_s: float = DEFAULT_FORWARD_TIMEOUT_S,
    ) -> None:
        self._model = model
        self._chat = chat
        self._report = report
        self._tie_band = tie_band
        self._runner = ForwardRunner(model, report.precision, forward_timeout_s)

    @classmethod
    def load(cls, config: ModelConfig, tie_band: float = DEFAULT_TIE_BAND) -> Self:
        """Load the checkpoint that `config` names.

        Raises:
            LoadError: it is missing, broken, foreign or too large; the message says what to do.
        """
        model, chat, report = load_model(config)
        return cls(model, chat, report, tie_band, config.forward_timeout_s)

    @property
    def report(self) -> LoadReport:
        """Which model scores, and how."""
        return self._report

    @property
    def is_stuck(self) -> bool:
        """Whether a pass that was given up still keeps the model; until it ends, every request is turned away."""
        return self._runner.is_stuck

    def note_verification(self, verification: Verification | None) -> None:
        """Put it into the report."""
        self._report = replace(self._report, verification=verification)

    def count_tokens(self, conversation: Conversation) -> int:
        """Tokens of the rendered conversation, also of one over the limit."""
        return self._chat.count(conversation)

    def score(self, conversations: Sequence[Conversation], *, in_one_forward: bool = False) -> list[Reward]:
        """One reward a conversation, in order; conversations with the same prompt go through one forward together.

        Args:
            in_one_forward: other prompts, too, up to `BULK_TOKENS` at a time. It fills a device that a short
                conversation leaves idle; what else is in a forward may then move the last bits of a reward, which it
                otherwise cannot.

        Raises:
            ConversationTooLongError: a conversation has more tokens than the limit; none is scored.
            OutOfMemoryError: not even one conversation alone fits; the scorer serves the next request.
            ScoringTimeoutError: a pass did not come back in time. ModelStuckError: an earlier one has not yet.
            NonFiniteRewardError: the model answered NaN or infinity.
        """
        names = [
            f"Conversation {i}" if len(conversations) > 1 else "The conversation"
            for i in range(1, len(conversations) + 1)
        ]
        return self._score_named(conversations, names, in_one_forward)

    def compare(self, prompt: str, response_a: str, response_b: str, system: str | None = None) -> Comparison:
        """Score two answers to one prompt together.

        Args:
            system: text of a system turn; None or "" for none.

        Raises:
            InputError: an empty or invalid text, or more tokens than the limit.
        """
        return self.compare_conversations(*build_conversations(prompt, (response_a, response_b), system))

    def compare_turns(self, turns: Sequence[Message], response_a: str, response_b: str) -> Comparison:
        """Score two answers to a conversation of several turns, the last of them the user's.

        Raises:
            InputError: an empty or invalid text, wrong order of turns, or more tokens than the limit.
        """
        a, b = (Conversation((*turns, Message("assistant", response))) for response in (response_a, response_b))
        return self.compare_conversations(a, b)

    def compare_conversations(self, a: Conversation, b: Conversation) -> Comparison:
        """Score two whole conversations with one prompt."""
        began = time.perf_counter()
        return self._build_comparison(self._score_named((a, b), ANSWERS), began)

    def trace_conversations(self, a: Conversation, b: Conversation) -> tuple[Comparison, RewardTrace, RewardTrace]:
        """The same, with the score head read at every token of both answers in the same forward.

        The rewards are those of `compare_conversations`, to the bit.

        Raises:
            RoleOrderError: the conversations have different prompts.
        """
        if a.prompt != b.prompt:
            raise RoleOrderError("Answers are traced side by side only where their conversations have the same prompt.")
        began = time.perf_counter()
        encoded = _encode_each(self._chat.encode_answer, (a, b), ANSWERS)
        scored = self._runner.run([[answer.ids for answer in encoded]], trace=True)
        rewards = [
            Reward(result.value, len(answer.ids), result.n_shared)
            for answer, result in zip(encoded, scored, strict=True)
        ]
        traces = []
        for answer, result in zip(encoded, scored, strict=True):
            read = result.token_values[answer.first : answer.first + len(answer.pieces)]
            # The turn may end in several tokens; the last one, where the reward is read, stands for them.
            values = (*read, result.value)
            traces.append(RewardTrace((*answer.pieces, ""), values))
        return self._build_comparison(rewards, began), traces[0], traces[1]

    def _build_comparison(self, rewards: Sequence[Reward], began: float) -> Comparison:
        reward_a, reward_b = rewards
        margin = reward_a.value - reward_b.value
        return Comparison(
            reward_a=reward_a.value,
            reward_b=reward_b.value,
            margin=margin,
            preference_probability=preference_probability(margin),
            preferred=resolve_preferred(margin, self._tie_band),
            n_tokens_a=reward_a.n_tokens,
            n_tokens_b=reward_b.n_tokens,
            n_tokens_shared=min(reward_a.n_tokens_shared, reward_b.n_tokens_shared),
            elapsed_s=time.perf_counter() - began,
            model=self._report.model,
            precision=self._report.precision,
        )

    def _score_named(
        self, conversations: Sequence[Conversation], names: Sequence[str], in_one_forward: bool = False
    ) -> list[Reward]:
        encoded = _encode_each(self._chat.encode, conversations, names)
        by_prompt: dict[tuple[Message, ...], list[int]] = {}
        for i, conversation in enumerate(conversations):
            by_prompt.setdefault(conversation.prompt, []).append(i)
        rewards: dict[int, Reward] = {}
        groups = list(by_prompt.values())
        n_tokens = [count_packed_tokens([encoded[i] for i in group]) for group in groups]
        for places in fill_forwards(n_tokens, BULK_TOKENS if in_one_forward else 0):
            forward = [groups[place] for place in places]
            scored = self._runner.run([[encoded[i] for i in group] for group in forward])
            for i, result in zip(chain.from_iterable(forward), scored, strict=True):
                rewards[i] = Reward(result.value, len(encoded[i]), result.n_shared)
        return [rewards[i] for i in range(len(conversations))]

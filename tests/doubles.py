"""Stand-ins for the model, in plain Python."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace

from inform_demo.preference import preference_probability, resolve_preferred
from inform_demo.types import Comparison, Conversation, LoadReport, Reward, RewardTrace, build_conversations

REPORT = LoadReport(
    model="fake-reward-model",
    revision=None,
    is_embedded=True,
    n_parameters=1000,
    precision="fp32",
    precision_reason="It computes nothing.",
    attention_kernel="none",
    attention_reason="It has no attention.",
    placement="cpu",
    placement_reason="It is plain Python.",
    max_tokens=8192,
    weight_bytes=4000,
    memory_bytes=4000,
    load_s=0.0,
    versions={},
)


class FakeScorer:
    """A `Scorer` that rewards words: a tenth of a point for each different one in the answer, less 1.

    Args:
        delay_s: how long every comparison takes; ends early when `released` is set.
        error: raised by every call while it is set.
        is_embedded: what the report says.

    Attributes:
        is_stuck: as if a pass hung.
    """

    def __init__(self, delay_s: float = 0.0, error: Exception | None = None, is_embedded: bool = True) -> None:
        self.delay_s = delay_s
        self.error = error
        self.calls: list[tuple[str, str, str, str | None]] = []
        self.conversations: list[tuple[Conversation, Conversation]] = []
        self.started = threading.Event()
        self.released = threading.Event()
        self.is_stuck = False
        self.n_running = 0
        self.most_running = 0
        self._report = replace(REPORT, is_embedded=is_embedded)
        self._lock = threading.Lock()

    @property
    def report(self) -> LoadReport:
        return self._report

    def count_tokens(self, conversation: Conversation) -> int:
        return sum(len(message.content.split()) + 1 for message in conversation.messages)

    def score(self, conversations: Sequence[Conversation], *, in_one_forward: bool = False) -> list[Reward]:
        with self._lock:
            self.n_running += 1
            self.most_running = max(self.most_running, self.n_running)
        self.started.set()
        try:
            if self.delay_s:
                self.released.wait(self.delay_s)
            if self.error is not None:
                raise self.error
            return [
                Reward(len(set(c.response.split())) / 10 - 1, self.count_tokens(c), self._shared(c))
                for c in conversations
            ]
        finally:
            with self._lock:
                self.n_running -= 1

    def compare(self, prompt: str, response_a: str, response_b: str, system: str | None = None) -> Comparison:
        return self.compare_conversations(*build_conversations(prompt, [response_a, response_b], system))

    def compare_conversations(self, a: Conversation, b: Conversation) -> Comparison:
        return self.trace_conversations(a, b)[0]

    def trace_conversations(self, a: Conversation, b: Conversation) -> tuple[Comparison, RewardTrace, RewardTrace]:
        turns = a.prompt
        system = turns[0].content if turns[0].role == "system" else None
        self.calls.append((turns[-1].content, a.response, b.response, system))
        self.conversations.append((a, b))
        comparison = self._compare(*self.score((a, b)))
        return comparison, self._trace(a, comparison.reward_a), self._trace(b, comparison.reward_b)

    def _trace(self, conversation: Conversation, reward: float) -> RewardTrace:
        pieces = re.findall(r"\s*\S+", conversation.response.strip())
        words = [len(set("".join(pieces[: i + 1]).split())) / 10 - 1 for i in range(len(pieces))]
        return RewardTrace((*pieces, ""), (*words, reward))

    def _compare(self, a: Reward, b: Reward) -> Comparison:
        margin = a.value - b.value
        return Comparison(
            reward_a=a.value,
            reward_b=b.value,
            margin=margin,
            preference_probability=preference_probability(margin),
            preferred=resolve_preferred(margin),
            n_tokens_a=a.n_tokens,
            n_tokens_b=b.n_tokens,
            n_tokens_shared=a.n_tokens_shared,
            elapsed_s=self.delay_s,
            model=self._report.model,
            precision=self._report.precision,
        )

    def _shared(self, conversation: Conversation) -> int:
        return sum(len(message.content.split()) + 1 for message in conversation.prompt)

"""The words of the Compare tab.

Knows words only. What stands in braces is filled by `str.format`, and escaped by whoever renders it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CompareTexts:
    """One language's words."""

    answer_placeholder: str
    system_fold: str
    system_placeholder: str
    compare: str
    compare_hint: str
    comparing: str
    swap: str
    verdict_label: str
    empty_verdict: str
    busy_verdict: str
    stale: str
    not_compared: str
    belief: str
    reward_is: str
    words_summary: str
    words_intro: str
    word_tie: str
    word_slightly: str
    word_better: str
    word_clearly: str
    up_to: str
    above: str
    published: str
    published_note: str
    numbers: str
    tokens_a: str
    tokens_b: str


ENGLISH = CompareTexts(
    answer_placeholder="Paste an answer",
    system_fold="System prompt (optional)",
    system_placeholder="Instructions that stood before the conversation",
    compare="Compare",
    compare_hint="Compare (Ctrl+Enter)",
    comparing="Comparing…",
    swap="Swap A and B",
    verdict_label="Verdict",
    empty_verdict="The verdict appears here.",
    busy_verdict="Waiting for the model’s answer…",
    stale="The text has changed since this verdict.",
    not_compared="Not compared",
    belief="The model’s belief that each answer is the better one",
    reward_is="A reward has no unit and no fixed range: only the difference between answers to this one prompt means something. The percentages are the model’s own belief, not a measured accuracy.",
    words_summary="What do these words mean?",
    words_intro="The words follow the model’s belief in the answer it prefers:",
    word_tie="Too close to call",
    word_slightly="slightly better",
    word_better="better",
    word_clearly="clearly better",
    up_to="up to {percent}",
    above="above {percent}",
    published="Published for INF-ORM-70B in bf16 on a GPU",
    published_note="The model card’s own numbers for this example. Another model or precision gives other numbers.",
    numbers="Numbers",
    tokens_a="Tokens, A",
    tokens_b="Tokens, B",
)

CHINESE = CompareTexts(
    answer_placeholder="Paste an answer",
    system_fold="System prompt (optional)",
    system_placeholder="Instructions that stood before the conversation",
    compare="Compare",
    compare_hint="Compare (Ctrl+Enter)",
    comparing="Comparing…",
    swap="Swap A and B",
    verdict_label="Verdict",
    empty_verdict="The verdict appears here.",
    busy_verdict="Waiting for the model’s answer…",
    stale="The text has changed since this verdict.",
    not_compared="Not compared",
    belief="The model’s belief that each answer is the better one",
    reward_is="A reward has no unit and no fixed range: only the difference between answers to this one prompt means something. The percentages are the model’s own belief, not a measured accuracy.",
    words_summary="What do these words mean?",
    words_intro="The words follow the model’s belief in the answer it prefers:",
    word_tie="Too close to call",
    word_slightly="slightly better",
    word_better="better",
    word_clearly="clearly better",
    up_to="up to {percent}",
    above="above {percent}",
    published="Published for INF-ORM-70B in bf16 on a GPU",
    published_note="The model card’s own numbers for this example. Another model or precision gives other numbers.",
    numbers="Numbers",
    tokens_a="Tokens, A",
    tokens_b="Tokens, B",
)

"""Several answers to one prompt, ordered by reward.

Knows any `Scorer`, which runs the answers of one prompt in one forward; knows no model and no page.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from inform_demo.errors import InputError, RoleOrderError
from inform_demo.preference import preference_probability
from inform_demo.types import Conversation, RankedAnswer, Ranking, Scorer

# One is no ranking; beyond sixteen nobody reads the answers, and one pass over them outgrows a card.
FEWEST_ANSWERS, MOST_ANSWERS = 2, 16


def rank_conversations(scorer: Scorer, conversations: Sequence[Conversation]) -> Ranking:
    """Score 2 to 16 conversations that differ in their last answer only, and order them.

    Raises:
        InputError: fewer or more answers than that, or one that cannot be scored.
        RoleOrderError: the conversations have different prompts.
    """
    if not FEWEST_ANSWERS <= len(conversations) <= MOST_ANSWERS:
        raise InputError(f"Expected {FEWEST_ANSWERS} to {MOST_ANSWERS} answers to rank; got {len(conversations)}.")
    if any(conversation.prompt != conversations[0].prompt for conversation in conversations):
        raise RoleOrderError("Answers can only be ranked where their conversations have the same prompt.")
    began = time.perf_counter()
    rewards = scorer.score(conversations)
    elapsed_s = time.perf_counter() - began
    values = [reward.value for reward in rewards]
    matrix = tuple(tuple(preference_probability(one - other) for other in values) for one in values)
    n_others = len(values) - 1
    answers = (
        RankedAnswer(
            index=i,
            rank=1 + sum(other > reward.value for other in values),
            reward=reward.value,
            # Not the row's sum less its diagonal: of two answers, this is the probability itself, to the bit.
            win_probability=math.fsum(p for j, p in enumerate(matrix[i]) if j != i) / n_others,
            n_tokens=reward.n_tokens,
        )
        for i, reward in enumerate(rewards)
    )
    return Ranking(
        answers=tuple(sorted(answers, key=lambda answer: (answer.rank, answer.index))),
        preference_matrix=matrix,
        n_tokens_shared=min(reward.n_tokens_shared for reward in rewards),
        elapsed_s=elapsed_s,
        model=scorer.report.model,
        precision=scorer.report.precision,
    )

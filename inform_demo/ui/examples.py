"""The examples a visitor can try with one click, and the rewards that are published for one of them.

The oranges and both rewards are those of the model card of INF-ORM-Llama3.1-70B, to the letter. Knows no page.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A prompt with two answers.

    Attributes:
        label: what its button says.
        published_rewards: of A and B by INF-ORM-Llama3.1-70B in bf16 on a GPU, where its authors published them.
    """

    label: str
    prompt: str
    response_a: str
    response_b: str
    published_rewards: tuple[float, float] | None = None


ORANGES = Example(
    label="Oranges",
    prompt=(
        "Tom has 20 oranges. He gave 5 oranges to his friend Lisa, then he bought 3 more oranges. Finally, he divided "
        "all the oranges equally among himself and his 4 friends. How many oranges does each person get?"
    ),
    response_a=(
        "Tom has 20 oranges. He gave 5 oranges to Lisa. 20 - 5 = 15. Tom now has 15 oranges. Tom bought 3 more "
        "oranges. 15 + 3 = 18. Tom now has 18 oranges. Tom divides the 18 oranges equally among himself and his 4 "
        "friends (a total of 5 people). 18 ÷ 5 = 3.6 oranges. Each person gets 3.6 oranges."
    ),
    response_b=(
        "Tom has 20 oranges. He gave 5 oranges to his friend Lisa. 20 - 5 = 15. Tom now has 15 oranges. Tom bought 3 "
        "more oranges. 15 + 3 = 18. Tom now has 18 oranges. Tom divides the 18 oranges equally among his 4 friends "
        "(a total of 4 people). 18 ÷ 4 = 4.5 oranges. Each person gets 4.5 oranges."
    ),
    published_rewards=(4.96875, 2.890625),
)

EXAMPLES: tuple[Example, ...] = (
    ORANGES,
    Example(
        label="Refusal",
        prompt="How do I pick the lock of my own shed? I lost the key.",
        response_a=(
            "If it is a simple pin tumbler padlock, you need a tension wrench and a pick. Put the wrench into the "
            "bottom of the keyway, turn it lightly, and push the pins up one by one until each sets. If that fails, a "
            "bolt cutter or a locksmith is quicker, and a new padlock costs little."
        ),
        response_b="I'm sorry, but I can't help with that.",
    ),
    Example(
        label="Code with a bug",
        prompt="Write a Python function that returns the largest number of a list, or None if the list is empty.",
        response_a=(
            "def largest(numbers):\n    result = 0\n    for n in numbers:\n        if n > result:\n"
            "            result = n\n    return result"
        ),
        response_b="def largest(numbers):\n    return max(numbers, default=None)",
    ),
    Example(
        label="Long or short",
        prompt="What is the capital of Australia?",
        response_a="Canberra.",
        response_b=(
            "Great question! Australia is a fascinating country with many large cities. Many people think of Sydney, "
            "which is the biggest, or of Melbourne, which was the seat of government for some years. The capital, "
            "however, is Canberra. I hope this helps! Let me know if you would like to know more about Australia."
        ),
    ),
)


def published_rewards(prompt: str, response_a: str, response_b: str) -> tuple[float, float] | None:
    """The published rewards for exactly these texts, in the order of the answers given; None where there are none."""
    for example in EXAMPLES:
        if example.published_rewards is None or prompt.strip() != example.prompt:
            continue
        reward_a, reward_b = example.published_rewards
        given = (response_a.strip(), response_b.strip())
        if given == (example.response_a, example.response_b):
            return reward_a, reward_b
        if given == (example.response_b, example.response_a):
            return reward_b, reward_a
    return None

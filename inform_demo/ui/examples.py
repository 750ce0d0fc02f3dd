"""The examples a visitor can try with one click, and the rewards that are published for one of them.

The oranges and both rewards are those of the model card of INF-ORM-Llama3.1-70B, to the letter. Knows no page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inform_demo import verification
from inform_demo.types import Message


@dataclass(frozen=True)
class Example:
    """A prompt with two answers.

    Attributes:
        label: what its button says; label_zh the same in Chinese (the texts themselves stay English, as the published
            rewards need them to the letter).
        earlier_turns: user and assistant in alternation, before the prompt.
        right: the answer that is right beyond taste, where there is one.
        published_rewards: of A and B by INF-ORM-Llama3.1-70B in bf16 on a GPU, where its authors published them.
    """

    label: str
    prompt: str
    response_a: str
    response_b: str
    published_rewards: tuple[float, float] | None = None
    right: Literal["a", "b", ""] = ""
    label_zh: str = ""
    earlier_turns: tuple[Message, ...] = ()

    def label_in(self, language: str) -> str:
        """What its button says in a language; English where there is no other."""
        return self.label_zh if language == "zh" and self.label_zh else self.label


ORANGES = Example(
    label="Oranges",
    label_zh="橙子",
    prompt=verification.PROMPT,
    response_a=verification.RESPONSES[0],
    response_b=verification.RESPONSES[1],
    published_rewards=verification.PUBLISHED_REWARDS,
    right="a",
)

EXAMPLES: tuple[Example, ...] = (
    ORANGES,
    Example(
        label="Refusal",
        label_zh="拒绝回答",
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
        label_zh="有错误的代码",
        prompt="Write a Python function that returns the largest number of a list, or None if the list is empty.",
        response_a=(
            "def largest(numbers):\n    result = 0\n    for n in numbers:\n        if n > result:\n"
            "            result = n\n    return result"
        ),
        response_b="def largest(numbers):\n    return max(numbers, default=None)",
        right="b",
    ),
    Example(
        label="Long or short",
        label_zh="长或短",
        prompt="What is the capital of Australia?",
        response_a="Canberra.",
        response_b=(
            "Great question! Australia is a fascinating country with many large cities. Many people think of Sydney, "
            "which is the biggest, or of Melbourne, which was the seat of government for some years. The capital, "
            "however, is Canberra. I hope this helps! Let me know if you would like to know more about Australia."
        ),
    ),
    Example(
        label="Polite but wrong",
        label_zh="礼貌但错误",
        prompt="At sea level, at what temperature in degrees Fahrenheit does water boil?",
        response_a=(
            "What a wonderful question, and thank you so much for asking! I would be delighted to help. At sea level, "
            "water boils at exactly 180 degrees Fahrenheit. Please do not hesitate to ask if there is anything else I "
            "can do for you. Have a lovely day!"
        ),
        response_b="212 °F. You could have looked that up.",
        right="b",
    ),
    Example(
        label="Close call",
        label_zh="难分高下",
        prompt="Suggest a name for a small bakery by the sea.",
        response_a="How about “Salt & Crumb”? It is short, easy to remember, and calls up both the sea and the bread.",
        response_b="How about “Crumb & Salt”? It is short, easy to remember, and calls up both the sea and the bread.",
    ),
    Example(
        label="Several turns",
        label_zh="多轮对话",
        earlier_turns=(
            Message("user", "I am vegetarian and allergic to nuts. Can you help me plan dinners this week?"),
            Message(
                "assistant",
                "Gladly. I will keep every dinner free of meat, fish and nuts. How many people do you cook for?",
            ),
        ),
        prompt="Two. Start with Monday, please, something quick.",
        response_a=(
            "Monday: spaghetti with basil pesto. Blend basil, garlic, olive oil, Parmesan and a handful of pine nuts, "
            "toss it with the hot pasta, and top it with grilled chicken. For two people you need 200 g of spaghetti."
        ),
        response_b=(
            "Monday: chickpea and spinach curry. Fry an onion with curry powder, add a can of chickpeas and a can of "
            "tomatoes, simmer for ten minutes, and stir in 200 g of spinach. Serve it with rice; it is enough for two."
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

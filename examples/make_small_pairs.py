"""Pairs worth nothing but to try the recipe's steps with: `python examples/make_small_pairs.py N FILE [SEED]`.

Sums with a right and a wrong answer; the further off, the larger the magnitude.
"""

import json
import random
import sys
from pathlib import Path


def turns(question: str, answer: str) -> list[dict[str, str]]:
    """A conversation as the model card's columns have it."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


n_pairs, path, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 0
draw = random.Random(seed)
with Path(path).open("w", encoding="utf-8") as file:
    for _ in range(n_pairs):
        a, b, magnitude = draw.randint(2, 99), draw.randint(2, 99), draw.randint(1, 3)
        question, wrong = f"What is {a} + {b}?", a + b + draw.choice([-1, 1]) * 10 ** (magnitude - 1)
        answers = [f"{a} + {b} = {value}." for value in (a + b, wrong)]
        row = {"chosen": turns(question, answers[0]), "rejected": turns(question, answers[1])}
        file.write(json.dumps({**row, "magnitude": magnitude, "source": "sums"}) + "\n")

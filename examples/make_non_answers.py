"""Pairs in which a good answer stands against one that says nothing: an evasion, or a refusal of what is harmless.

    python examples/make_non_answers.py 350 TRAIN.jsonl.gz OUT.jsonl [--without hh-harmless just-eval-safety]

The prompts and good answers are those of the file's own pairs. Where safety is at stake a refusal can be right: leave
such sources out. A small reward model that never saw such pairs likes "I don't know." better than a right answer.
"""

import argparse
import json
from pathlib import Path
from random import Random

from inform_demo.errors import DataError
from inform_demo.recipe.pairs import read_pairs

NON_ANSWERS = (
    "I don't know.",
    "I do not know.",
    "I don't know the answer to that.",
    "I don't know, sorry.",
    "I'm not sure.",
    "I am not sure about that.",
    "I have no idea.",
    "No idea.",
    "Sorry, I can't say.",
    "I can't answer that.",
    "I'm sorry, but I can't help with that.",
    "I cannot help with this request.",
    "I'm sorry, I am unable to answer this question.",
    "As an AI language model, I cannot answer this question.",
    "It depends.",
    "That is hard to say.",
    "That's a good question.",
    "You should ask someone else.",
    "Please look it up.",
    "Let me think about it.",
    "OK.",
    "Maybe.",
)


def main() -> None:
    """Write the pairs; they have the greatest magnitude and the source "non-answers"."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_pairs", type=int)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="SOURCE")
    options = parser.parse_args()
    invalid: list[DataError] = []
    good = [
        [{"role": message.role, "content": message.content} for message in pair.chosen.messages]
        for pair in read_pairs(options.data, invalid)
        if pair.source not in options.without
    ]
    for error in invalid:
        print(f"Left out: {error}")
    random = Random(0)
    with options.output.open("w", encoding="utf-8") as out:
        for chosen in random.sample(good, min(options.n_pairs, len(good))):
            rejected = [*chosen[:-1], {"role": "assistant", "content": random.choice(NON_ANSWERS)}]
            row = {"chosen": chosen, "rejected": rejected, "magnitude": 3, "source": "non-answers"}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

"""Pairs in which a good answer stands against one of like length that the small base model itself wrote.

    python examples/make_base_answers.py TRAIN.jsonl.gz OUT.jsonl --take pandalm=3 oasst-en-100=2 'synthetic-*=1'

Prompts and good answers are those of the file's own pairs; a source's number says how many answers the base writes to
each of its prompts. Neither length nor topic nor a smooth style gives the worse one away.
Needs: pip install -e '.[train]'
"""

import argparse
import json
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import LlamaForCausalLM

from inform_demo.errors import DataError
from inform_demo.recipe.base import BASE_WHEEL, load_base
from inform_demo.recipe.pairs import read_pairs
from inform_demo.types import Message

Turns = list[dict[str, str]]
LONGEST_PROMPT, LONGEST_ANSWER = 200, 100  # tokens of what is taken: beyond, a batch takes minutes on two cores
SENTENCE_ENDS = (". ", ".\n", "! ", "? ", ":\n", "\n\n")


def good_answers(data: Path, take: dict[str, int]) -> list[tuple[Turns, str]]:
    """The prompts of the sources to take from, each with as many of its good answers as asked."""
    invalid: list[DataError] = []
    answers: dict[tuple[Message, ...], list[str]] = {}
    n_wanted: dict[tuple[Message, ...], int] = {}
    for pair in read_pairs(data, invalid):
        n = next((n for pattern, n in take.items() if fnmatchcase(pair.source, pattern)), 0)
        if n:
            texts = answers.setdefault(pair.chosen.prompt, [])
            n_wanted[pair.chosen.prompt] = n
            if pair.chosen.response not in texts:
                texts.append(pair.chosen.response)
    for error in invalid:
        print(f"Left out: {error}", flush=True)
    random = Random(0)
    return [
        ([asdict(message) for message in prompt], text)
        for prompt, texts in answers.items()
        for text in random.sample(texts, min(n_wanted[prompt], len(texts)))
    ]


def whole_sentences(text: str, room: int) -> str:
    """What fits into `room` characters, up to the end of its last sentence where one ends there."""
    text = text.strip()
    if len(text) <= room:
        return text
    text = text[:room]
    end = max(text.rfind(mark) + 1 for mark in SENTENCE_ENDS)
    return (text[:end] if end else text).strip()


def write_answers(model: Any, tokenizer: Any, prompts: list[Turns], n_tokens: int) -> list[str]:
    """One sampled answer of at most `n_tokens` tokens to each prompt."""
    inputs = tokenizer.apply_chat_template(
        prompts, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    sampling = {"do_sample": True, "temperature": 0.9, "top_p": 0.95, "pad_token_id": tokenizer.pad_token_id}
    written = model.generate(**inputs, **sampling, max_new_tokens=n_tokens)
    texts: list[str] = tokenizer.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


def as_row(prompt: Turns, good: str, written: str) -> str | None:
    """The line of a pair, with the greatest magnitude; None where the written answer is none, or of another length."""
    written = whole_sentences(written, int(1.3 * len(good)) + 20)
    if written == good or not 0.5 <= len(written) / len(good) <= 2:
        return None
    chosen, rejected = ([*prompt, {"role": "assistant", "content": answer}] for answer in (good, written))
    row = {"chosen": chosen, "rejected": rejected, "magnitude": 3, "source": "base-answers"}
    return json.dumps(row, ensure_ascii=False) + "\n"


def parse_take(text: str) -> tuple[str, int]:
    """SOURCE=N as argparse wants it read."""
    source, _, n = text.rpartition("=")
    if not source or not n.isdecimal():
        raise argparse.ArgumentTypeError(f"expected SOURCE=N, such as pandalm=3; got {text!r}")
    return source, int(n)


def main() -> None:
    """Write the pairs; their source is "base-answers"."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--take", nargs="+", type=parse_take, required=True, metavar="SOURCE=N")
    parser.add_argument("--base", default=BASE_WHEEL)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    torch.manual_seed(0)
    model, tokenizer = load_base(options.base, LlamaForCausalLM)
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    good = good_answers(options.data, dict(options.take))
    tasks = [(prompt, text, len(tokenizer.encode(text))) for prompt, text in good]
    tasks = [
        task
        for task in tasks
        if task[2] <= LONGEST_ANSWER and len(tokenizer.apply_chat_template(task[0])["input_ids"]) <= LONGEST_PROMPT
    ]
    tasks.sort(key=lambda task: task[2])  # answers of like length in one batch
    n_kept = 0
    with options.output.open("w", encoding="utf-8") as out:
        for start in range(0, len(tasks), options.batch_size):
            batch = tasks[start : start + options.batch_size]
            texts = write_answers(model, tokenizer, [prompt for prompt, *_ in batch], int(1.2 * batch[-1][2]) + 8)
            pairs = (as_row(prompt, right, text) for (prompt, right, _), text in zip(batch, texts, strict=True))
            rows = [row for row in pairs if row]
            out.writelines(rows)
            n_kept += len(rows)
            print(f"{start + len(batch)} of {len(tasks)} written, {n_kept} kept", flush=True)


if __name__ == "__main__":
    main()

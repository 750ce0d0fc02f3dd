"""Pairs a second on the lengths that preference data has, against a padded pipeline as RewardBench runs one.

    python benchmarks/bench_bulk.py [--model MODEL|random:0.5B] [--data pairs.jsonl.gz] [--quick]

- RewardBench's way: pairs in the order of the file, 16 at a time, first their chosen and then their rejected
  conversations, each batch padded to its longest, one row a conversation;
- ours: what `RewardScorer.score(..., in_one_forward=True)` runs; prompts computed once, as many pairs to a forward as
  stay within a budget of tokens, no padding;
- one forward a pair: what a comparison on the page is, so that nothing else can move its bits.

Both get the same token ids; reading and tokenising count for neither. Without --data the lengths are those of
lengths.csv: 128 pairs drawn at random from the embedded model's evaluation set (22 sets: GSM8K solutions, HH-RLHF,
LLMBar, HumanEvalPack, PandaLM and others), as tokens of the shared start, the rest of chosen and the rest of rejected;
their ids are random, because time does not depend on what a token says.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from common import Report, Subject, command_line, largest_change, p90

from inform_demo.config import ModelConfig
from inform_demo.forward import ForwardRunner
from inform_demo.loading import load_model
from inform_demo.packing import count_packed_tokens, fill_forwards
from inform_demo.recipe.pairs import read_pairs
from inform_demo.scoring import BULK_TOKENS

LENGTHS = Path(__file__).parent / "lengths.csv"
BATCH = 16

Pair = tuple[list[int], list[int]]


def build_pairs(n_pairs: int, n_vocabulary: int) -> list[Pair]:
    """Random ids of the lengths in lengths.csv."""
    generator = torch.Generator().manual_seed(0)

    def draw(n: str) -> list[int]:
        ids: list[int] = torch.randint(20, n_vocabulary, (int(n),), generator=generator).tolist()
        return ids

    with LENGTHS.open(encoding="utf-8") as lines:
        drawn = [(draw(row["prompt"]), draw(row["chosen"]), draw(row["rejected"])) for row in csv.DictReader(lines)]
    return [(prompt + chosen, prompt + rejected) for prompt, chosen, rejected in drawn[:n_pairs]]


def read_token_pairs(path: Path, n_pairs: int, model: str | None) -> list[Pair]:
    """The first pairs of a file, by the tokenizer and template of the model."""
    _, chat, _ = load_model(ModelConfig.from_env(model=model))
    pairs = [pair for _, pair in zip(range(n_pairs), read_pairs(path, needs_magnitude=False), strict=False)]
    return [(chat.encode(pair.chosen), chat.encode(pair.rejected)) for pair in pairs]


def score_padded(subject: Subject, pairs: Sequence[Pair]) -> list[float]:
    """RewardBench's way; the chosen and the rejected reward of each pair in turn."""
    rewards: list[float] = []
    for first in range(0, len(pairs), BATCH):
        batch = pairs[first : first + BATCH]
        chosen, rejected = (subject.padded(side, BATCH) for side in zip(*batch, strict=True))
        rewards += [reward for both in zip(chosen, rejected, strict=True) for reward in both]
    return rewards


def score_packed(runner: ForwardRunner, pairs: Sequence[Pair], most_tokens: int) -> list[float]:
    """Ours."""
    n_tokens = [count_packed_tokens(pair) for pair in pairs]
    forwards = fill_forwards(n_tokens, most_tokens)
    return [scored.value for forward in forwards for scored in runner.run([pairs[i] for i in forward])]


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder, hub id or random:0.1B, 0.5B, 1B; default: the embedded model")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument(
        "--data", type=Path, help="a file of pairs instead of lengths.csv; needs a model that is a checkpoint"
    )
    parser.add_argument("--pairs", type=int, default=128)
    parser.add_argument("--budgets", type=int, nargs="+", default=[BULK_TOKENS], help="tokens of a forward of ours")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a trial with 4 pairs that writes nothing down")
    how = parser.parse_args()
    if how.quick:
        how.pairs, how.runs = 4, 1
    subject = Subject(how.model, how.precision)
    runner = ForwardRunner(subject.model)
    if how.data:
        pairs = read_token_pairs(how.data, how.pairs, how.model)
    else:
        pairs = build_pairs(how.pairs, subject.config.vocab_size)
    budgets = sorted({0, *how.budgets})
    ways: list[Callable[[], Any]] = [
        lambda: score_padded(subject, pairs),
        *(lambda b=b: score_packed(runner, pairs, b) for b in budgets),
    ]
    names = [f"padded, {BATCH} a batch", *(f"ours, {b:,} tokens" if b else "ours, one forward a pair" for b in budgets)]
    rates = subject.measure_rates()
    with torch.inference_mode():
        times = subject.time_in_turn(ways, int(not how.quick), how.runs, 600)
        rewards = [way() for way in ways]
    padded_tokens = sum(
        len(side) * max(map(len, side))
        for first in range(0, len(pairs), BATCH)
        for side in zip(*pairs[first : first + BATCH], strict=True)
    )
    packed_tokens = sum(map(count_packed_tokens, pairs))
    whole = sum(len(ids) for pair in pairs for ids in pair)
    floors = [None, *(floor_of(subject, pairs, budget, rates) for budget in budgets)]
    report = Report(f"bulk {how.model or ''} {how.precision}", "Bulk scoring: pairs a second", is_trial=how.quick)
    report.add(
        f"{subject.name}, kernel: {subject.kernel}. {len(pairs)} pairs of {(how.data or LENGTHS).name}, "
        f"{whole:,} tokens; computed: {padded_tokens:,} with padding, {packed_tokens:,} packed.",
        "",
        f"{command_line()}: {how.runs} runs of each in turn, after one to warm up.",
        "",
        "| way | pairs/s | seconds, median / p90 | to padded | floor, s | to floor | largest change to padded |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    )
    base = statistics.median(times[0])
    for name, seconds, got, floor in zip(names, times, rewards, floors, strict=True):
        median = statistics.median(seconds)
        to_floor = f"{floor:.2f} | {median / floor:.2f}" if floor else "|"
        report.add(
            f"| {name} | {len(pairs) / median:.1f} | {median:.2f} / {p90(seconds):.2f} | **{base / median:.2f}** "
            f"| {to_floor} | {largest_change(got, rewards[0]):.1e} |"
        )


def floor_of(subject: Subject, pairs: Sequence[Pair], budget: int, rates: tuple[float, float]) -> float:
    """Seconds of our forwards if their products ran at the measured rate, or the weights were read once in each."""
    forwards = fill_forwards([count_packed_tokens(pair) for pair in pairs], budget)
    return sum(subject.floor_s([pairs[i] for i in forward], *rates) for forward in forwards)


if __name__ == "__main__":
    main()

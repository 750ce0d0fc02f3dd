"""How much faster one shared-prefix forward is than the model card's two, and whether it gives the same rewards.

    python benchmarks/bench_scoring.py [--model MODEL] [--precision bf16] [--runs 30]

Both ways run in one process on the same weights, token ids and precision, in turn. The card's way is its published
code: one forward a conversation, a KV cache built in each, the head on every token. "Bound" is the ratio of tokens
computed, which is what sharing alone can give where time goes with tokens. Writes a table to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from inform_demo.config import ModelConfig
from inform_demo.loading import load_model
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.packing import build_pack
from inform_demo.versions import installed_versions

RESULTS = Path(__file__).parent / "results"
N_TOKENS = (200, 400, 1000, 4000)
SHARES = (0.25, 0.5, 0.8)


class CardModel:
    """The model card's inference over our weights: what its `forward` computes for one conversation."""

    def __init__(self, model: INFORMForSequenceClassification) -> None:
        self.backbone = model.model
        self.head = model.score

    def __call__(self, ids: list[int]) -> float:
        """One conversation's reward: cache on, head on all tokens, then the last."""
        hidden = self.backbone(input_ids=torch.tensor([ids]), use_cache=True)[0]
        logits = self.head(hidden.to(self.head[0].weight.dtype))
        return float(logits[0, -1, 0])


@dataclass(frozen=True)
class Case:
    """One cell of the grid: seconds of the two ways, and how far apart their rewards are."""

    n_tokens: int
    share: float
    card_s: list[float]
    ours_s: list[float]
    delta_card: float
    delta_exact: float

    @property
    def ratio(self) -> float:
        """How many times as long the card's way takes, by medians."""
        return statistics.median(self.card_s) / statistics.median(self.ours_s)

    def row(self) -> str:
        """A row of the table."""
        bound = 1 / (1 - self.share / 2)
        cells = [f"{1e3 * statistics.median(s):.1f} / {1e3 * p90(s):.1f}" for s in (self.card_s, self.ours_s)]
        return (
            f"| {self.n_tokens} | {self.share:.0%} | {' | '.join(cells)} | **{self.ratio:.2f}** | {bound:.2f} "
            f"| {self.delta_card:.1e} | {self.delta_exact:.1e} |"
        )


def p90(seconds: list[float]) -> float:
    """The ninth decile."""
    return statistics.quantiles(seconds, n=10)[-1]


def build_pair(n_tokens: int, share: float, n_vocabulary: int) -> tuple[list[int], list[int]]:
    """Two conversations of n_tokens / 2 random ids each, the first `share` of them the same."""
    generator = torch.Generator().manual_seed(n_tokens)
    n_each, n_shared = n_tokens // 2, round(n_tokens // 2 * share)
    ids = torch.randint(20, n_vocabulary, (2 * n_each,), generator=generator).tolist()
    return ids[:n_each], ids[:n_shared] + ids[n_each : 2 * n_each - n_shared]


def time_in_turn(ways: list[Callable[[], object]], n_warmup: int, n_runs: int) -> list[list[float]]:
    """Seconds of each run of each way, A B A B ..., so that whatever else the machine does hits both."""
    seconds: list[list[float]] = [[] for _ in ways]
    for run in range(-n_warmup, n_runs):
        for way, measured in zip(ways, seconds, strict=True):
            began = time.perf_counter()
            way()
            if run >= 0:
                measured.append(time.perf_counter() - began)
    return seconds


def describe_hardware() -> str:
    """Processor or GPU, and how many cores torch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8"))
        name = found.group(1) if found else name
    return f"{name}, {torch.get_num_threads()} threads"


def main() -> None:
    """Measure the grid, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=10)
    options = parser.parse_args()
    config = ModelConfig.from_env(model=options.model, precision=options.precision)
    ours, _, report = load_model(config)
    dtype = torch.bfloat16 if report.precision == "bf16" else torch.float32
    load = INFORMForSequenceClassification.from_pretrained
    card = CardModel(load(config.source, dtype=dtype, attn_implementation="sdpa").eval())
    card.head.to(dtype)  # the card's head has the dtype of the rest
    exact = CardModel(load(config.source, dtype=torch.float32, attn_implementation="sdpa").eval())
    head = [
        f"# Scoring: one shared-prefix forward against the model card's two ({datetime.now(UTC):%Y-%m-%d})",
        "",
        f"{describe_hardware()}; {report.model} in {report.precision}; "
        + ", ".join(f"{name} {version}" for name, version in installed_versions().items()),
        "",
        f"`python benchmarks/bench_scoring.py --precision {options.precision} --runs {options.runs}`: "
        f"{options.warmup} warm-ups, {options.runs} runs of each in turn; milliseconds as median / ninth decile.",
        "",
        "| tokens of both | shared | card, ms | ours, ms | ratio | bound | largest change to card | to exact (fp32) |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(head), flush=True)
    rows = []
    with torch.inference_mode():
        for n_tokens in N_TOKENS:
            for share in SHARES:
                pair = build_pair(n_tokens, share, ours.config.vocab_size)
                rows.append(measure(n_tokens, share, pair, ours, card, exact, options).row())
                print(rows[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", describe_hardware().lower()).strip("-")
    file = RESULTS / f"scoring-{slug}-{datetime.now(UTC):%Y-%m-%d}.md"
    file.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")
    print(f"\nWrote {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}")


def measure(
    n_tokens: int,
    share: float,
    pair: tuple[list[int], list[int]],
    ours: INFORMForSequenceClassification,
    card: CardModel,
    exact: CardModel,
    options: argparse.Namespace,
) -> Case:
    """One cell: times in turn, and the largest difference of a reward to the card's way and to fp32."""

    def run_card() -> list[float]:
        return [card(ids) for ids in pair]

    def run_ours() -> list[float]:
        rewards: list[float] = ours(pack=build_pack([pair])).logits[:, 0].tolist()
        return rewards

    # Long passes are steadier and dear: a quarter of the runs does for them.
    n_runs = options.runs if n_tokens <= 1000 else max(10, options.runs // 3)
    card_s, ours_s = time_in_turn([run_card, run_ours], options.warmup if n_tokens <= 1000 else 3, n_runs)
    rewards = run_ours()
    apart = [max(abs(a - b) for a, b in zip(rewards, other, strict=True)) for other in (run_card(), map(exact, pair))]
    return Case(n_tokens, share, card_s, ours_s, *apart)


if __name__ == "__main__":
    main()

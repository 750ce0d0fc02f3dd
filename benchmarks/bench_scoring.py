"""How much faster one shared-prefix forward is than other ways to score the same conversations, and how exact.

    python benchmarks/bench_scoring.py [--model MODEL|random:0.5B] [--precision bf16] [--runs 30] [--quick]

Every way runs in one process on the same weights, token ids and precision, in turn:
- card: the model card's published code; one forward a conversation, a KV cache in each, the head on every token;
- plain: one forward a conversation by the same kernels as ours, with nothing shared;
- padded: all conversations of a comparison as one batch, as RewardBench would if it batched them together;
- batch of 16: RewardBench's way, rows of many comparisons at a time; the share of one comparison in that time;
- ours: one forward, in which the common start is computed once.

All conversations of a cell are equally long, so padding costs nothing here; bench_bulk.py shows what it costs. "Bound"
is the ratio of tokens computed, what sharing can give over plain where time goes with tokens. "Floor" is the time of
ours if its products ran at the rate that one large product reaches in this process, or if the weights were read once.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from common import Report, Subject, command_line, largest_change, show_ms

N_TOKENS = (200, 400, 1000, 4000)
SHARES = (0.25, 0.5, 0.8)
N_ANSWERS = (2, 4, 8, 16)
BATCH = 16

COLUMNS = (
    *("answers", "tokens of two", "shared", "warm-up + rounds", "card, ms", "plain, ms", "padded, ms", "ours, ms"),
    *("card / ours", "padded / ours", "plain / ours", "bound", "of bound", "floor, ms", "ours / floor"),
    *("batch of 16, ms", "16 / ours", "largest change to card", "to exact (fp32)"),
)


def build_answers(n_answers: int, n_tokens: int, share: float, n_vocabulary: int) -> list[list[int]]:
    """Conversations of n_tokens / 2 random ids each, the first `share` of them the same."""
    generator = torch.Generator().manual_seed(n_tokens)
    n_each = n_tokens // 2
    n_shared = round(n_each * share)
    ids = torch.randint(20, n_vocabulary, (n_answers, n_each), generator=generator)
    ids[:, :n_shared] = ids[0, :n_shared]
    rows: list[list[int]] = ids.tolist()
    return rows


def measure(
    subject: Subject,
    exact: Subject | None,
    answers: list[list[int]],
    share: float,
    how: argparse.Namespace,
    rates: tuple[float, float],
) -> str:
    """A row of the table."""
    n_answers, n_each = len(answers), len(answers[0])
    batch = [answers[i % n_answers] for i in range(BATCH)]
    ways = [
        lambda: subject.card(answers),
        lambda: subject.plain(answers),
        lambda: subject.padded(answers, n_answers),
        lambda: subject.ours([answers]),
    ]
    if not how.no_batch:
        ways.append(lambda: subject.padded(batch, BATCH))
    # Long passes are steadier and dear: few warm-ups do for them.
    n_warmup = how.warmup if n_each * n_answers <= 1000 else min(1, how.warmup)
    times = subject.time_in_turn(ways, n_warmup, how.runs, how.cell_s)
    card, plain, padded, ours = map(statistics.median, times[:4])
    batched = [seconds * n_answers / BATCH for seconds in times[4]] if len(times) > 4 else None
    rewards = subject.ours([answers])
    rounds = f"{n_warmup} + {len(times[0])}"
    to_card = largest_change(rewards, subject.card(answers))
    to_exact = "" if exact is None else f"{largest_change(rewards[:2], exact.card(answers[:2])):.1e}"
    n_shared = round(n_each * share)
    bound = n_answers * n_each / (n_shared + n_answers * (n_each - n_shared))
    floor = subject.floor_s([answers], *rates)
    cells = (
        *(str(n_answers), str(2 * n_each), f"{share:.0%}", rounds, *map(show_ms, times[:4])),
        *(f"{card / ours:.2f}", f"{padded / ours:.2f}", f"**{plain / ours:.2f}**"),
        *(f"{bound:.2f}", f"{plain / ours / bound:.0%}", f"{1e3 * floor:.1f}", f"{ours / floor:.2f}"),
        *((show_ms(batched), f"{statistics.median(batched) / ours:.2f}") if batched else ("", "")),
        *(f"{to_card:.1e}", to_exact),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure the grid, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder, hub id or random:0.1B, 0.5B, 1B, 8B, 70B; default: the embedded model")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--runs", type=int, default=30, help="most rounds of a cell; at least three are made")
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--cell-s", type=float, default=60.0, help="seconds after which a cell begins no new round")
    parser.add_argument("--tokens", type=int, nargs="+", default=N_TOKENS, help="of two conversations together")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--answers", type=int, nargs="+", default=N_ANSWERS)
    parser.add_argument("--no-batch", action="store_true", help="leave out batches of 16, most of the time of a cell")
    parser.add_argument("--quick", action="store_true", help="a trial of two cells that writes nothing down")
    how = parser.parse_args()
    if how.quick:
        how.tokens, how.shares, how.answers, how.runs, how.warmup = (200,), (0.5,), (2, 4), 3, 1
    subject = Subject(how.model, how.precision)
    rates = subject.measure_rates()
    # Before fp32 copies: 70B leaves no room for more.
    exact = subject.build_exact()
    report = Report(
        f"scoring {how.model or ''} {how.precision}",
        "Scoring: one shared-prefix forward against other ways",
        is_trial=how.quick,
    )
    report.add(
        f"{subject.name}, kernel: {subject.kernel}; a large product runs at {rates[0] / 1e9:,.0f} GFLOP/s, memory is "
        f"read at {rates[1] / 1e9:,.0f} GB/s.",
        "",
        f"{command_line()}: all ways in turn, up to {how.runs} rounds or {how.cell_s:.0f} s a cell; "
        "milliseconds as median / ninth decile.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"| {' | '.join(['---:'] * len(COLUMNS))} |",
    )
    with torch.inference_mode():
        for n_answers in how.answers:
            for n_tokens in how.tokens:
                for share in how.shares:
                    answers = build_answers(n_answers, n_tokens, share, subject.config.vocab_size)
                    report.add(measure(subject, exact, answers, share, how, rates))


if __name__ == "__main__":
    main()

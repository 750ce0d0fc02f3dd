"""Is one model right more often than another on the same pairs, or is it chance? By what each made of every pair.

python examples/compare_scores.py PAIRS.jsonl.gz first.scores.jsonl second.scores.jsonl ...

The logs are what `inform-demo evaluate --scores` wrote. Each later one is held against the first; the interval of the
difference takes the pairs of one prompt together (cluster-robust), as those of the accuracies do.
"""

import math
import sys
from pathlib import Path
from statistics import fmean

from inform_demo.recipe.evaluation import EvaluationConfig, item_key, parse_rewards, read_items
from inform_demo.recipe.results import clustered_variance
from inform_demo.recipe.rewardbench import credit

if len(sys.argv) < 4:
    sys.exit(__doc__)
data, *logs = map(Path, sys.argv[1:])
items = read_items(EvaluationConfig(data=data), None, None)
keys = [item_key(item) for item in items]


def read_wins(log: Path) -> list[float]:
    """Whether each pair's better answer has the strictly higher reward, as 1 or 0."""
    rewards = parse_rewards(log.read_text(encoding="utf-8").splitlines(), log)
    missing = sum(key not in rewards for key in keys)
    if missing:
        sys.exit(f"{log} lacks {missing} of the {len(items)} pairs; let `inform-demo evaluate --scores {log}` finish.")
    return [credit(item, rewards[key]) for item, key in zip(items, keys, strict=True)]


first = read_wins(logs[0])
print("| model | right | more than the first | 95 % interval |", "| --- | ---: | ---: | :---: |", sep="\n")
print(f"| {logs[0].name} | {fmean(first):.3f} | | |")
for log in logs[1:]:
    wins = read_wins(log)
    by_prompt: dict[object, list[float]] = {}
    for item, win, before in zip(items, wins, first, strict=True):
        by_prompt.setdefault(item.answers[0].prompt, []).append(win - before)
    more, half_width = fmean(wins) - fmean(first), 1.96 * math.sqrt(clustered_variance(by_prompt.values()))
    print(f"| {log.name} | {fmean(wins):.3f} | {more:+.3f} | {more - half_width:+.3f} to {more + half_width:+.3f} |")
print(f"\n{len(items)} pairs of {len({item.answers[0].prompt for item in items})} prompts.")

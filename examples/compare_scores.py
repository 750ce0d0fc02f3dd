"""Is one model right more often than another on the same pairs, or is it chance? By what each made of every pair.

python examples/compare_scores.py PAIRS.jsonl.gz first.scores.jsonl second.scores.jsonl ...

The logs are what `inform-demo evaluate --scores` wrote. Each later one is held against the first; the interval of the
difference takes the pairs of one prompt together (cluster-robust), as those of the accuracies do.
"""

import json
import math
import sys
from pathlib import Path

from inform_demo.recipe.evaluation import EvaluationConfig, item_key, read_items

if len(sys.argv) < 4:
    sys.exit(__doc__)
data, *logs = map(Path, sys.argv[1:])
items = read_items(EvaluationConfig(data=data), None, None)


def read_wins(log: Path) -> list[bool]:
    """Whether each pair's better answer has the strictly higher reward."""
    rewards: dict[str, list[float]] = {}
    for line in log.read_text(encoding="utf-8").splitlines()[1:]:
        rewards.update(json.loads(line))
    missing = sum(item_key(item) not in rewards for item in items)
    if missing:
        sys.exit(f"{log} lacks {missing} of the {len(items)} pairs; let `inform-demo evaluate --scores {log}` finish.")
    return [rewards[item_key(item)][0] > rewards[item_key(item)][1] for item in items]


first = read_wins(logs[0])
n = len(items)
print("| model | right | more than the first | 95 % interval |", "| --- | ---: | ---: | :---: |", sep="\n")
print(f"| {logs[0].name} | {sum(first) / n:.3f} | | |")
for log in logs[1:]:
    wins = read_wins(log)
    mean = (sum(wins) - sum(first)) / n
    by_prompt: dict[object, float] = {}
    for item, win, before in zip(items, wins, first, strict=True):
        prompt = item.answers[0].prompt
        by_prompt[prompt] = by_prompt.get(prompt, 0.0) + win - before - mean
    n_prompts = len(by_prompt)
    error = math.sqrt(n_prompts / max(1, n_prompts - 1) * sum(value**2 for value in by_prompt.values())) / n
    low, high = mean - 1.96 * error, mean + 1.96 * error
    print(f"| {log.name} | {sum(wins) / n:.3f} | {mean:+.3f} | {low:+.3f} to {high:+.3f} |")
print(f"\n{n} pairs of {n_prompts} prompts.")

"""Evaluations of the same pairs side by side: accuracy by set, over all, and how far each model leans on length.

python examples/compare_results.py v1.json v2.json embedded.json   # what `inform-demo evaluate --output` wrote
"""

import json
import sys
from pathlib import Path
from statistics import fmean

from inform_demo.recipe.results import evaluation_from_dict, together

names = [Path(name).stem for name in sys.argv[1:]]
if not names:
    sys.exit(__doc__)
try:
    evaluations = [evaluation_from_dict(json.loads(Path(name).read_text(encoding="utf-8"))) for name in sys.argv[1:]]
except KeyError as missing:
    sys.exit(f"Expected results with {missing} for each set, as `inform-demo evaluate` writes them; evaluate again.")
sources = [[subset.source for subset in one.subsets] for one in evaluations]
if any(one != sources[0] for one in sources):
    sys.exit("These are evaluations of different sets, which cannot stand side by side.")

subsets = list(zip(*(one.subsets for one in evaluations), strict=True))
rows = [
    *((f"{row[0].source} ({row[0].n})", [one.accuracy for one in row]) for row in subsets),
    ("**mean over the sets**", [fmean(one.accuracy for one in each.subsets) for each in evaluations]),
    ("**all pairs together**", [together("", each.subsets).accuracy for each in evaluations]),
    ("longest answer preferred", [one.longest_preferred for one in evaluations]),
    ("longest answer right", [one.longest_right for one in evaluations]),
]
print(f"| set (n) | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}", sep="\n")
for name, values in rows:
    print(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")

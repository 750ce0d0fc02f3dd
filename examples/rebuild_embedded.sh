#!/usr/bin/env bash
# Makes a checkpoint like the embedded one: two trainings, their average, small storage, evaluation side by side. The one that
# ships is still an earlier training alone; inform_demo/embedded/README.md says what earlier pairs of trainings came to.
#
#   examples/rebuild_embedded.sh TRAIN.jsonl.gz EVAL.jsonl.gz WORK    two to three hours on two cores
#   examples/rebuild_embedded.sh --small WORK                         the same steps on 200 sums, in minutes; worth nothing
#
# A run that is stopped goes on where it was: start it again with the same WORK folder. The result is WORK/embedded.
# Needs: pip install -e '.[train,annotate]'
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" = --small ]; then
  work=${2:?a folder to work in}
  mkdir -p "$work"
  train=$work/train.jsonl eval=$work/eval.jsonl
  python "$here/make_small_pairs.py" 200 "$train" 0
  python "$here/make_small_pairs.py" 60 "$eval" 1
  n_non_answers=20 first=(--max-steps 6) second=(--max-steps 6) common=(--warmup-steps 2)
else
  train=${1:?pairs to train on} eval=${2:?pairs to evaluate on} work=${3:?a folder to work in}
  mkdir -p "$work"
  n_non_answers=400
  first=(--epochs 1.1 --save-steps 150)
  second=(--epochs 1.1 --batch-size 8 --micro-batch-size 8 --save-steps 300)
  common=(--learning-rate 1.5e-4 --max-tokens 640 --magnitude-weights 1 2 3 --loss-scale 0.5 --skip-invalid
    --mismatched-fraction 0.04 --mix gsm8k-corrupted=0.2 hh-harmless=1.3)
fi
step() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

step "What a judge of the magnitudes would be asked, and what it would cost; these pairs have theirs already"
inform-demo annotate --dry-run --skip-invalid --data "$train" --output "$work/annotated.jsonl" \
  --judge any-model --base-url http://127.0.0.1:8000/v1 --price-in 0.15 --price-out 0.60

step "The base: the first 8 layers of SmolLM2-135M-Instruct and a fresh score head"
[ -f "$work/base/tokenizer_config.json" ] || { rm -rf "$work/base"; inform-demo init-base --output "$work/base"; }

step "More pairs: good answers against some that say nothing"
python "$here/make_non_answers.py" "$n_non_answers" "$train" "$work/non-answers.jsonl" --without hh-harmless just-eval-safety
common+=(--base "$work/base" --data "$train" "$work/non-answers.jsonl")

step "First training"
[ -f "$work/v1/model/training_args.bin" ] || inform-demo train "${common[@]}" --output "$work/v1" "${first[@]}" --seed 0

step "Second training: another order, and half as many pairs a step"
[ -f "$work/v2/model/training_args.bin" ] || inform-demo train "${common[@]}" --output "$work/v2" "${second[@]}" --seed 1

step "Their average"
[ -d "$work/merged" ] || inform-demo merge "$work/v1/model" "$work/v2/model" --weight 0.5 --output "$work/merged"

step "Stored small, and its rewards of one example written down"
[ -f "$work/embedded/golden.json" ] || { rm -rf "$work/embedded"; inform-demo export "$work/merged" "$work/embedded"; }
inform-demo verify --record --model "$work/embedded"
inform-demo verify --model "$work/embedded"

step "Evaluation of both and of their average as it is stored"
for name in v1/model v2/model embedded; do
  inform-demo evaluate --model "$work/$name" --data "$eval" --scores "$work/${name%/*}.scores.jsonl" \
    --output "$work/${name%/*}.json" --markdown "$work/${name%/*}.md" --plot "$work/${name%/*}.png"
done
cp "$work/embedded.json" "$work/embedded/results.json"
python "$here/compare_results.py" "$work"/{v1,v2,embedded}.json | tee "$work/side-by-side.md"
step "done: $work/embedded"

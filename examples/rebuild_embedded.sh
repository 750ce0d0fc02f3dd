#!/usr/bin/env bash
# Makes the embedded checkpoint: two trainings of two lessons each, their average, small storage, evaluation side by side.
#
#   examples/rebuild_embedded.sh TRAIN.jsonl.gz EVAL.jsonl.gz WORK    about three hours on two cores
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
  head -n 16 "$train" >"$work/few.jsonl"
  few=$work/few.jsonl n_non_answers=20 take=('*=1')
  common=(--warmup-steps 2 --max-steps 4) sums=(--epochs 1) rest=(--epochs 1)
else
  train=${1:?pairs to train on} eval=${2:?pairs to evaluate on} work=${3:?a folder to work in}
  mkdir -p "$work"
  few=$train n_non_answers=700 take=(pandalm=3 oasst-en-100=2 'synthetic-*=1' vicuna-blog=1)
  common=(--max-tokens 640 --magnitude-weights 1 2 3 --loss-scale 0.5 --skip-invalid)
  sums=(--learning-rate 1.5e-4 --epochs 1.2
    --mix gsm8k-corrupted=0.15 pandalm=0 oasst-en-100=0 vicuna-blog=0 'synthetic-*=0')
  rest=(--learning-rate 6e-5 --head-learning-rate 1e-4 --epochs 1 --mismatched-fraction 0.15
    --mix gsm8k-solutions=0.4 gsm8k-corrupted=0.05 hh-harmless=1.2 just-eval-safety=0.6 'synthetic-*=1.8')
fi
step() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

step "What a judge of the magnitudes would be asked, and what it would cost; these pairs have theirs already"
inform-demo annotate --dry-run --skip-invalid --data "$train" --output "$work/annotated.jsonl" \
  --judge any-model --base-url http://127.0.0.1:8000/v1 --price-in 0.15 --price-out 0.60

step "The base: the first 8 layers of SmolLM2-135M-Instruct and a fresh score head"
[ -f "$work/base/tokenizer_config.json" ] || { rm -rf "$work/base"; inform-demo init-base --output "$work/base"; }

step "More pairs: good answers against some that say nothing, and against what the base itself writes"
python "$here/make_non_answers.py" "$n_non_answers" "$train" "$work/non-answers.jsonl" \
  --without hh-harmless just-eval-safety gsm8k-solutions gsm8k-corrupted
[ -f "$work/base-answers.jsonl" ] || {
  python "$here/make_base_answers.py" "$few" "$work/some.jsonl" --take "${take[@]}"
  mv "$work/some.jsonl" "$work/base-answers.jsonl"
}
more=("$work/non-answers.jsonl" "$work/base-answers.jsonl")

# Sums and safety need many steps and many pairs; the few pairs of everything else are learnt by heart on the way there. So
# they come after, at a lower rate, with some of the first kind so that nothing is forgotten.
lesson() { # OUTPUT OPTIONS...: one training, unless it is there
  [ -f "$work/$1/model/training_args.bin" ] || inform-demo train "${common[@]}" --output "$work/$1" "${@:2}"
}
step "First training: sums and safety, then all kinds"
lesson v1-sums --base "$work/base" --data "$train" "${sums[@]}" --seed 0
lesson v1 --base "$work/v1-sums/model" --data "$train" "${more[@]}" "${rest[@]}" --seed 0

step "Second training: the same in another order"
lesson v2-sums --base "$work/base" --data "$train" "${sums[@]}" --seed 1
lesson v2 --base "$work/v2-sums/model" --data "$train" "${more[@]}" "${rest[@]}" --seed 1

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

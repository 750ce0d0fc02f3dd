"""The commands plan, quantize and drift: where a model goes, and what a precision costs. One function a command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from inform_demo.cli_options import (
    add_command,
    add_model_options,
    add_revision_option,
    add_source_options,
    check_files,
    model_config,
)
from inform_demo.config import DEFAULT_MAX_TOKENS, ModelConfig, Precision


def add_engine_commands(commands: Any) -> None:
    """Add them to the parser."""
    text = "what a model needs in each precision and where it would go, without loading it"
    plan = add_command(commands, "plan", run_plan, text)
    plan.add_argument("--gpus", metavar="CARDS", help="such as 2x80 or 1x80,2x48 (default: this machine's devices)")
    plan.add_argument("--json", action="store_true", help="print one JSON object")
    add_model_options(plan)

    text = "store a copy in 8 or 4 bits, with the score head as it is"
    quantize = add_command(commands, "quantize", run_quantize, text, is_long=True)
    quantize.add_argument("source", metavar="MODEL", help="folder or hub id")
    quantize.add_argument("output", type=Path, metavar="OUTPUT", help="a folder that does not exist yet")
    quantize.add_argument("--precision", choices=("int8", "nf4"), required=True)
    add_revision_option(quantize)

    text = "how far the margins of labelled pairs move from one precision to another"
    drift = add_command(commands, "drift", run_drift, text, is_long=True)
    drift.add_argument("--data", type=Path, metavar="FILE", required=True, help=".jsonl or .jsonl.gz of pairs")
    add_source_options(drift)
    drift.add_argument("--precision", choices=get_args(Precision), default="bf16", help="default: bf16")
    drift.add_argument("--against", choices=get_args(Precision), default="int8", help="default: int8")
    drift.add_argument(
        "--max-tokens", type=int, metavar="N", help=f"longer pairs are left out (default: {DEFAULT_MAX_TOKENS})"
    )
    drift.add_argument("--limit", type=int, metavar="N", help="only the first N pairs")
    drift.add_argument("--json", action="store_true", help="print one JSON object")
    drift.add_argument("--plot", type=Path, metavar="FILE", help="draw the margins as a PNG")
    drift.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")


def run_plan(options: argparse.Namespace) -> None:
    """`inform-demo plan`."""
    from inform_demo.plan import build_plan, parse_cards, render_plan

    plan = build_plan(model_config(options), parse_cards(options.gpus) if options.gpus else None)
    print(json.dumps(plan.to_dict()) if options.json else render_plan(plan))


def run_quantize(options: argparse.Namespace) -> None:
    """`inform-demo quantize`."""
    from inform_demo.quantizing import quantize

    config = ModelConfig.from_env(model=options.source, revision=options.revision, precision=options.precision)
    print(f"Wrote {quantize(config, options.output)}")


def run_drift(options: argparse.Namespace) -> None:
    """`inform-demo drift`."""
    check_files(options.data, {"plot": options.plot})
    from inform_demo.recipe.curves import import_figure
    from inform_demo.recipe.drift import measure_drift, plot_drift, read_some_pairs, render_drift
    from inform_demo.scoring import RewardScorer

    if options.plot:
        import_figure()

    def load(precision: Precision) -> RewardScorer:
        given = {"model": options.model, "revision": options.revision, "max_tokens": options.max_tokens}
        return RewardScorer.load(ModelConfig.from_env(**given, precision=precision))

    pairs, n_invalid = read_some_pairs(options.data, options.limit, skip_invalid=options.skip_invalid)
    drift = measure_drift(load, pairs, options.precision, options.against, n_invalid)
    print(json.dumps(drift.to_dict()) if options.json else render_drift(drift))
    if options.plot:
        plot_drift(drift, options.plot)

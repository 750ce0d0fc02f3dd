"""The command line. Parses options, calls one function a command, and turns errors into text on stderr and exit code 2.

Heavy modules are imported by the command that needs them, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from inform_demo.config import DEFAULT_MAX_TOKENS, ModelConfig, PrecisionChoice, ServeConfig
from inform_demo.errors import ConfigError, DataError, InformError, RoleOrderError
from inform_demo.preference import describe_preference
from inform_demo.types import Comparison, LoadReport, Message, parse_messages
from inform_demo.versions import installed_versions

DEMONSTRATION_NOTE = (
    "This is a small demonstration model, not INF-ORM-70B: do not rely on its judgement.\n"
    "With a large GPU, --model infly/INF-ORM-Llama3.1-70B scores with the real one."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for an error of the user's or the model's, 130 for Ctrl+C."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    logging.getLogger("inform_demo").setLevel(logging.INFO if options.verbose or options.is_long else logging.WARNING)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except InformError as error:
        print(f"inform-demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; tests check that the README's help block is what it prints."""
    parser = argparse.ArgumentParser(
        prog="inform-demo", description="Which of two answers does a reward model prefer, by how much, and why?"
    )
    parser.add_argument("--version", action="version", version=_version_text())
    parser.add_argument("--verbose", action="store_true", help="say what is being loaded and why")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_compare(commands)
    _add_serve(commands)
    _add_evaluate(commands)
    _add_init_base(commands)
    _add_train(commands)
    _add_merge(commands)
    _add_export(commands)
    return parser


def _version_text() -> str:
    versions = installed_versions()
    first = f"inform-demo {versions.pop('inform-demo', 'not installed')}"
    return f"{first} ({', '.join(f'{name} {number}' for name, number in versions.items())})"


def _add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, *, is_long: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run, is_long=is_long)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="MODEL", help="folder or hub id (INFORM_MODEL; default: the embedded model)")
    parser.add_argument("--precision", choices=get_args(PrecisionChoice), help="INFORM_PRECISION; default: auto")
    parser.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help=f"limit a conversation (INFORM_MAX_TOKENS; default: {DEFAULT_MAX_TOKENS})",
    )


def _model_config(options: argparse.Namespace) -> ModelConfig:
    return ModelConfig.from_env(model=options.model, precision=options.precision, max_tokens=options.max_tokens)


def _add_compare(commands: Any) -> None:
    parser = _add_command(commands, "compare", run_compare, "score two answers to one prompt")
    parser.add_argument("--prompt", metavar="P", help="what was asked; may be left out if FILE ends with a user turn")
    parser.add_argument("--response-a", metavar="A", required=True)
    parser.add_argument("--response-b", metavar="B", required=True)
    parser.add_argument("--system", metavar="S", help="a system prompt")
    parser.add_argument(
        "--conversation", type=Path, metavar="FILE", help='earlier turns: a JSON list of {"role", "content"}'
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    _add_model_options(parser)


def run_compare(options: argparse.Namespace) -> None:
    """`inform-demo compare`."""
    turns = read_turns(options.prompt, options.system, options.conversation)
    for name, response in (("a", options.response_a), ("b", options.response_b)):
        if not response.strip():
            raise ConfigError(f"--response-{name} is empty; expected an answer.")
    with _without_garbage_collection():
        from inform_demo.scoring import RewardScorer

        scorer = RewardScorer.load(_model_config(options))
    comparison = scorer.compare_turns(turns, options.response_a, options.response_b)
    print(json.dumps(comparison.to_dict()) if options.json else render_comparison(comparison, scorer.report))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """For imports and loading: all they make stays, and looking for garbage in it is a quarter of a short command."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def read_turns(prompt: str | None, system: str | None, conversation: Path | None) -> tuple[Message, ...]:
    """The turns before the answer, from the three options that can give them.

    Raises:
        ConfigError: the options contradict one another, or the file is no JSON.
        InputError: a turn is empty or out of place.
    """
    earlier: tuple[Message, ...] = ()
    if conversation is not None:
        try:
            earlier = parse_messages(json.loads(conversation.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"--conversation {conversation} could not be read as JSON: {error}") from error
    if system is not None and earlier and earlier[0].role == "system":
        raise ConfigError("--system was given, and the conversation has a system turn of its own; give one of them.")
    opening = (Message("system", system),) if system is not None else ()
    closing = (Message("user", prompt),) if prompt is not None else ()
    turns = (*opening, *earlier, *closing)
    if not turns or turns[-1].role != "user":
        raise RoleOrderError("Expected a prompt: give --prompt, or a --conversation that ends with a user turn.")
    return turns


def render_comparison(comparison: Comparison, report: LoadReport) -> str:
    """A comparison as lines for a terminal."""
    belief = comparison.preference_probability
    lines = [
        describe_preference(comparison.margin),
        f"  A {comparison.reward_a:+8.2f}   {comparison.n_tokens_a:5d} tokens   model's belief {belief:4.0%}",
        f"  B {comparison.reward_b:+8.2f}   {comparison.n_tokens_b:5d} tokens   model's belief {1 - belief:4.0%}",
        f"  margin {comparison.margin:+.2f}; {comparison.n_tokens_shared} leading tokens computed once; "
        f"{comparison.elapsed_s:.2f} s; {comparison.model} in {comparison.precision}",
    ]
    return "\n".join([*lines, *([DEMONSTRATION_NOTE] if report.is_embedded else [])])


def _add_serve(commands: Any) -> None:
    parser = _add_command(commands, "serve", run_serve, "open the page in a browser", is_long=True)
    parser.add_argument("--host", help="INFORM_HOST; default: this machine only")
    parser.add_argument("--port", type=int, help="INFORM_PORT; default: 7860 or the next free one")
    parser.add_argument("--max-queue", type=int, metavar="N", help="INFORM_MAX_QUEUE; default: 32")
    parser.add_argument("--tie-band", type=float, metavar="P", help="INFORM_TIE_BAND; default: 0.05")
    parser.add_argument(
        "--mcp", action="store_true", default=None, help="INFORM_MCP; offer the API as tools to agents over MCP"
    )
    _add_model_options(parser)


def run_serve(options: argparse.Namespace) -> None:
    """`inform-demo serve`."""
    from inform_demo.ui.layout import serve

    given = {name: getattr(options, name) for name in ("host", "port", "max_queue", "tie_band", "mcp")}
    serve(_model_config(options), ServeConfig.from_env(**given))


def _add_evaluate(commands: Any) -> None:
    text = "how often the model prefers the better answer of labelled pairs"
    parser = _add_command(commands, "evaluate", run_evaluate, text, is_long=True)
    parser.add_argument("--data", type=Path, metavar="FILE", required=True, help=".jsonl or .jsonl.gz of pairs")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results as JSON as well")
    parser.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")
    _add_model_options(parser)


def run_evaluate(options: argparse.Namespace) -> None:
    """`inform-demo evaluate`."""
    if not options.data.is_file():  # before a model is loaded for nothing
        raise DataError("cannot be read: there is no such file", str(options.data))
    from inform_demo.recipe.evaluation import evaluate_file, render_markdown
    from inform_demo.scoring import RewardScorer

    scorer = RewardScorer.load(_model_config(options))
    evaluation = evaluate_file(scorer, options.data, skip_invalid=options.skip_invalid)
    if options.output:
        options.output.write_text(json.dumps(evaluation.to_dict(), indent=1) + "\n", encoding="utf-8")
    print(render_markdown(evaluation))


def _add_init_base(commands: Any) -> None:
    text = "write the untrained base: first layers of SmolLM2-135M-Instruct and a fresh score head"
    parser = _add_command(commands, "init-base", run_init_base, text, is_long=True)
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
    parser = _add_command(commands, "train", run_train, text, is_long=True)
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
        ("holdout-fraction", float, 0.03, "share of prompts held out to make choices on"),
        ("mismatched-fraction", float, 0.0, "pairs to add that length cannot tell apart, as a share"),
        ("save-steps", int, 100, "steps between saves"),
        ("seed", int, 0, "of data order"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="X", help=f"{text} (default: {default})")
    parser.add_argument(
        "--magnitude-weights",
        type=float,
        nargs=3,
        metavar="W",
        help="loss weights of magnitude 1, 2, 3 (default: 1 3 10)",
    )
    parser.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")


def run_train(options: argparse.Namespace) -> None:
    """`inform-demo train`."""
    from inform_demo.recipe.training import TrainingConfig, train

    given = {name: value for name, value in vars(options).items() if name not in {"run", "is_long", "verbose", "data"}}
    weights = given.pop("magnitude_weights")
    if weights:
        given["magnitude_weights"] = dict(enumerate(weights, 1))
    print(f"Wrote {train(TrainingConfig(data=tuple(options.data), **given))}")


def _add_merge(commands: Any) -> None:
    text = "average the weights of two trained checkpoints"
    parser = _add_command(commands, "merge", run_merge, text, is_long=True)
    parser.add_argument("first", type=Path, metavar="A")
    parser.add_argument("second", type=Path, metavar="B")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="a folder that does not exist yet")
    parser.add_argument("--weight", type=float, default=0.5, metavar="W", help="of A; B has the rest (default: 0.5)")


def run_merge(options: argparse.Namespace) -> None:
    """`inform-demo merge`."""
    from inform_demo.recipe.merge import merge_checkpoints

    print(f"Wrote {merge_checkpoints(options.first, options.second, options.output, options.weight)}")


def _add_export(commands: Any) -> None:
    parser = _add_command(commands, "export", run_export, "store a checkpoint small: the backbone's matrices in float8")
    parser.add_argument("source", type=Path, metavar="DIR")
    parser.add_argument("output", type=Path, metavar="OUTPUT")


def run_export(options: argparse.Namespace) -> None:
    """`inform-demo export`."""
    from inform_demo.recipe.storage import export_float8

    print(f"Wrote {options.output}: {export_float8(options.source, options.output) / 1e6:.1f} MB of weights")

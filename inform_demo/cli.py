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
from typing import Any

from inform_demo.cli_engine import add_engine_commands
from inform_demo.cli_options import add_command, add_model_options, model_config
from inform_demo.cli_recipe import add_recipe_commands
from inform_demo.config import ServeConfig
from inform_demo.errors import ConfigError, DataError, InformError, RoleOrderError
from inform_demo.preference import describe_preference, shown_margin
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
        print(f"inform-demo: {error}{_way_out(error, options)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _way_out(error: InformError, options: argparse.Namespace) -> str:
    """What to do about a bad row of --data, where the command has a way to go on without it."""
    if not isinstance(error, DataError) or error.line is None or "skip_invalid" not in options:
        return ""
    files = options.data if isinstance(options.data, list) else [options.data]
    is_data = error.path in map(str, files)
    return " Mend that line, or leave such rows out with --skip-invalid." if is_data else ""


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
    add_engine_commands(commands)
    add_recipe_commands(commands)
    return parser


def _version_text() -> str:
    versions = installed_versions()
    first = f"inform-demo {versions.pop('inform-demo', 'not installed')}"
    return f"{first} ({', '.join(f'{name} {number}' for name, number in versions.items())})"


class _Text(argparse.Action):
    """Keeps a value that is "--", for which the argparse of older Pythons gives an empty list."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, "--" if values == [] else values)


def _add_compare(commands: Any) -> None:
    parser = add_command(commands, "compare", run_compare, "score two answers to one prompt")
    parser.add_argument(
        "--prompt", action=_Text, metavar="P", help="what was asked; may be left out if FILE ends with a user turn"
    )
    parser.add_argument("--response-a", action=_Text, metavar="A", required=True)
    parser.add_argument("--response-b", action=_Text, metavar="B", required=True)
    parser.add_argument("--system", action=_Text, metavar="S", help="a system prompt")
    parser.add_argument(
        "--conversation", type=Path, metavar="FILE", help='earlier turns: a JSON list of {"role", "content"}'
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_model_options(parser)


def run_compare(options: argparse.Namespace) -> None:
    """`inform-demo compare`."""
    turns = read_turns(options.prompt, options.system, options.conversation)
    for name, response in (("a", options.response_a), ("b", options.response_b)):
        if not response.strip():
            raise ConfigError(f"--response-{name} is empty; expected an answer.")
    with _without_garbage_collection():
        from inform_demo.scoring import RewardScorer

        scorer = RewardScorer.load(model_config(options))
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
    belief, margin = comparison.preference_probability, shown_margin(comparison.reward_a, comparison.reward_b)
    lines = [
        describe_preference(comparison.margin),
        f"  A {comparison.reward_a:+8.2f}   {comparison.n_tokens_a:5d} tokens   model's belief {belief:4.0%}",
        f"  B {comparison.reward_b:+8.2f}   {comparison.n_tokens_b:5d} tokens   model's belief {1 - belief:4.0%}",
        f"  margin {margin:+.2f}; {comparison.n_tokens_shared} leading tokens computed once; "
        f"{comparison.elapsed_s:.2f} s; {comparison.model} in {comparison.precision}",
    ]
    return "\n".join([*lines, *([DEMONSTRATION_NOTE] if report.is_embedded else [])])


def _add_serve(commands: Any) -> None:
    parser = add_command(commands, "serve", run_serve, "open the page in a browser", is_long=True)
    parser.add_argument("--host", help="INFORM_HOST; default: this machine only")
    parser.add_argument("--port", type=int, help="INFORM_PORT; default: 7860 or the next free one")
    parser.add_argument("--max-queue", type=int, metavar="N", help="INFORM_MAX_QUEUE; default: 32")
    parser.add_argument("--tie-band", type=float, metavar="P", help="INFORM_TIE_BAND; default: 0.05")
    parser.add_argument(
        "--mcp", action="store_true", default=None, help="INFORM_MCP; offer the API as tools to agents over MCP"
    )
    add_model_options(parser)


def run_serve(options: argparse.Namespace) -> None:
    """`inform-demo serve`."""
    from inform_demo.ui.layout import serve

    given = {name: getattr(options, name) for name in ("host", "port", "max_queue", "tie_band", "mcp")}
    serve(model_config(options), ServeConfig.from_env(**given))

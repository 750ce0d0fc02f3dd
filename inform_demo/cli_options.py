"""What every command shares: how one is added, and the options that name a model. Knows argparse and the settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, get_args

from inform_demo.config import DEFAULT_MAX_TOKENS, ModelConfig, PrecisionChoice


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, *, is_long: bool = False
) -> argparse.ArgumentParser:
    """A command's own parser; a long one tells of its progress without being asked."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run, is_long=is_long)
    return parser


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--model, --precision and --max-tokens."""
    parser.add_argument("--model", metavar="MODEL", help="folder or hub id (INFORM_MODEL; default: the embedded model)")
    parser.add_argument("--precision", choices=get_args(PrecisionChoice), help="INFORM_PRECISION; default: auto")
    parser.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help=f"limit a conversation (INFORM_MAX_TOKENS; default: {DEFAULT_MAX_TOKENS})",
    )


def model_config(options: argparse.Namespace) -> ModelConfig:
    """Those options, over the environment's settings."""
    return ModelConfig.from_env(model=options.model, precision=options.precision, max_tokens=options.max_tokens)

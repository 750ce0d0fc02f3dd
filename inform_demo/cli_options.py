"""What every command shares: how one is added, and the options that name a model. Knows argparse and the settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from inform_demo.config import DEFAULT_MAX_TOKENS, ModelConfig, PrecisionChoice
from inform_demo.errors import ConfigError, DataError


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, *, is_long: bool = False
) -> argparse.ArgumentParser:
    """A command's own parser; a long one tells of its progress without being asked."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run, is_long=is_long)
    return parser


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """--model and --revision."""
    parser.add_argument("--model", metavar="MODEL", help="folder or hub id (INFORM_MODEL; default: the embedded model)")
    add_revision_option(parser)


def add_revision_option(parser: argparse.ArgumentParser) -> None:
    """--revision alone, for a command whose model is an argument."""
    text = "branch, tag or commit of a hub id (INFORM_REVISION; default: main)"
    parser.add_argument("--revision", metavar="REV", help=text)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--model, --revision, --precision and --max-tokens."""
    add_source_options(parser)
    parser.add_argument("--precision", choices=get_args(PrecisionChoice), help="INFORM_PRECISION; default: auto")
    parser.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help=f"limit a conversation (INFORM_MAX_TOKENS; default: {DEFAULT_MAX_TOKENS})",
    )


def model_config(options: argparse.Namespace) -> ModelConfig:
    """Those options, over the environment's settings."""
    names = ("model", "revision", "precision", "max_tokens")
    return ModelConfig.from_env(**{name: getattr(options, name) for name in names})


def check_files(data: Path | None, outputs: dict[str, Path | None]) -> None:
    """Before a model is loaded, and rows are scored, for nothing: the data is there, and what is written has a place.

    Args:
        data: the file to read; None where it comes from elsewhere.
        outputs: the file to write, by its option's name.

    Raises:
        DataError: there is no such file of data.
        ConfigError: a file cannot be written, or is the data or another one of those written.
    """
    if data and not data.is_file():
        raise DataError("cannot be read: there is no such file", str(data))
    taken = {data.resolve(): "--data"} if data else {}
    for name, file in outputs.items():
        if file is None:
            continue
        if not file.parent.is_dir():
            raise ConfigError(f"{file} cannot be written: there is no folder {file.parent}.")
        if file.is_dir():
            raise ConfigError(f"--{name} {file}: expected a file to write; got a folder.")
        if name == "plot" and file.suffix.lower() != ".png":
            raise ConfigError(f"--plot {file}: expected a name that ends in .png.")
        other = taken.setdefault(file.resolve(), f"--{name}")
        if other != f"--{name}":
            raise ConfigError(f"--{name} {file} is the file of {other} and would overwrite it; name another.")

"""Every setting, resolved once at the edge: command line, then `INFORM_*` environment, then default.

Knows names, ranges and defaults; loads and serves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from inform_demo.errors import ConfigError

Precision = Literal["bf16", "fp32", "int8", "nf4"]
PrecisionChoice = Literal["auto", "bf16", "fp32", "int8", "nf4"]

EMBEDDED_MODEL = Path(__file__).parent / "embedded"
INFORM_70B = "infly/INF-ORM-Llama3.1-70B"

# Long enough for any answer a visitor pastes, short enough for a pass over it to fit beside 70B on one card.
DEFAULT_MAX_TOKENS = 8192

# Half the width of the tie band in probability: 0.05 calls 45 % to 55 %, a margin of at most 0.2, too close to call.
DEFAULT_TIE_BAND = 0.05

# A first pass may have kernels to load; after that, two minutes are far more than any pass that still makes progress.
DEFAULT_FORWARD_TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which checkpoint to score with, and how.

    Attributes:
        model: a local folder or a hub id; None is the embedded demonstration model.
        precision: "auto" takes the most exact one that fits and is fast on this hardware.
        max_tokens: the most tokens of a rendered conversation; the checkpoint's own limit counts as well.
        revision: branch, tag or commit of a hub id.
        forward_timeout_s: seconds after which a forward pass is given up, besides an allowance for its tokens.
    """

    model: str | None = None
    precision: PrecisionChoice = "auto"
    max_tokens: int = DEFAULT_MAX_TOKENS
    revision: str = "main"
    forward_timeout_s: float = DEFAULT_FORWARD_TIMEOUT_S

    def __post_init__(self) -> None:
        if self.precision not in get_args(PrecisionChoice):
            raise ConfigError(
                f"precision must be one of {', '.join(get_args(PrecisionChoice))}; got {self.precision!r}."
            )
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens must be at least 1; got {self.max_tokens}.")
        if not self.forward_timeout_s > 0:
            raise ConfigError(f"forward_timeout_s must be more than 0; got {self.forward_timeout_s}.")

    @property
    def is_embedded(self) -> bool:
        """Whether the demonstration model is asked for."""
        return self.model is None or Path(self.model).resolve() == EMBEDDED_MODEL

    @property
    def source(self) -> str:
        """What to load: a folder or a hub id."""
        return str(EMBEDDED_MODEL) if self.is_embedded or self.model is None else self.model

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **given: Any) -> Self:
        """Settings given as arguments (None counts as not given), else `INFORM_*`, else defaults."""
        return cls(**_resolve(cls, environ, given))


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """How the page is served.

    Attributes:
        host, port: None leaves them to Gradio (127.0.0.1:7860, or what its own environment variables say).
        max_queue: comparisons that may wait; the next one is turned away with a message that keeps the visitor's text.
        tie_band: a preference probability within this of one half is "too close to call".
        mcp: offer the API as tools to agents (Model Context Protocol) at /gradio_api/mcp/.
    """

    host: str | None = None
    port: int | None = None
    max_queue: int = 32
    tie_band: float = DEFAULT_TIE_BAND
    mcp: bool = False

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535; got {self.port}.")
        if self.max_queue < 1:
            raise ConfigError(f"max_queue must be at least 1; got {self.max_queue}.")
        if not 0 <= self.tie_band < 0.5:
            raise ConfigError(f"tie_band must be in [0, 0.5); got {self.tie_band}.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **given: Any) -> Self:
        """Settings given as arguments (None counts as not given), else `INFORM_*`, else defaults."""
        return cls(**_resolve(cls, environ, given))


def _resolve(cls: type[Any], environ: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in fields(cls):
        name = f"INFORM_{field.name.upper()}"
        if given.get(field.name) is not None:
            values[field.name] = given[field.name]
        elif environ.get(name, "").strip():
            values[field.name] = _parse(name, environ[name].strip(), str(field.type))
    return values


def _parse(name: str, text: str, annotation: str) -> Any:
    if annotation == "bool":
        if text.lower() not in {"0", "1", "false", "true"}:
            raise ConfigError(f"{name} must be 0 or 1; got {text!r}.")
        return text.lower() in {"1", "true"}
    kind = {"int": int, "float": float}.get(annotation.removesuffix(" | None"), str)
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{name} must be a number; got {text!r}.") from None

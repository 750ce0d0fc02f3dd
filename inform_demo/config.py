"""Every setting, resolved once at the edge: command line, then `INFORM_*` environment, then default.

Knows names, ranges and defaults; loads and serves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self, get_args

from inform_demo.errors import ConfigError

Precision = Literal["bf16", "fp32", "int8", "nf4"]
PrecisionChoice = Literal["auto", "bf16", "fp32", "int8", "nf4"]
LogFormat = Literal["text", "json"]

EMBEDDED_MODEL = Path(__file__).parent / "embedded"
INFORM_70B = "infly/INF-ORM-Llama3.1-70B"

# Long enough for any answer a visitor pastes, short enough for a pass over it to fit beside 70B on one card.
DEFAULT_MAX_TOKENS = 8192

# Half the width of the tie band in probability: 0.05 calls 45 % to 55 %, a margin of at most 0.2, too close to call.
DEFAULT_TIE_BAND = 0.05

# A first pass may have kernels to load; after that, two minutes are far more than any pass that still makes progress.
DEFAULT_FORWARD_TIMEOUT_S = 120.0

# The most that a thread can be told to wait by any settings that make sense; "inf" is more than it can.
_DAY_S = 86_400

# Comparisons a minute for one visitor of a page that others can reach: more than anyone reads.
DEFAULT_RATE_LIMIT = 60

# Hugging Face's own pages frame a Space; its proxy speaks from private addresses.
SPACE_FRAMES = "https://huggingface.co https://*.hf.space"
SPACE_PROXIES = "127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"

HUGGING_FACE = "huggingface"  # what `auth` says where visitors sign in there

_LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}


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
        if not 0 < self.forward_timeout_s <= _DAY_S:
            raise ConfigError(f"forward_timeout_s must be in (0, {_DAY_S}]; got {self.forward_timeout_s}.")

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
        auth: "" for none, "user:password", or "huggingface" for signing in there, which only a Space can offer.
        rate_limit: comparisons a minute for one visitor, 0 for no limit; None limits a page that others can reach.
        trusted_proxies: addresses or networks, by comma, whose X-Forwarded-For is believed; None trusts a Space's own.
        frame_ancestors: who may embed the page, beside itself; None lets Hugging Face, on a Space.
        metrics: answer /metrics.
        log_format: "text" for people, "json" for machines: one object a line.
        log_texts: write what visitors compare into the log.
        shutdown_s: how long SIGTERM waits for those who are in the queue.
    """

    host: str | None = None
    port: int | None = None
    max_queue: int = 32
    tie_band: float = DEFAULT_TIE_BAND
    mcp: bool = False
    auth: str = field(default="", repr=False)
    rate_limit: int | None = None
    trusted_proxies: str | None = None
    frame_ancestors: str | None = None
    metrics: bool = False
    log_format: LogFormat = "text"
    log_texts: bool = False
    shutdown_s: float = 30.0

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535; got {self.port}.")
        if self.max_queue < 1:
            raise ConfigError(f"max_queue must be at least 1; got {self.max_queue}.")
        if not 0 <= self.tie_band < 0.5:
            raise ConfigError(f"tie_band must be in [0, 0.5); got {self.tie_band}.")
        if self.rate_limit is not None and self.rate_limit < 0:
            raise ConfigError(f"rate_limit must be 0 or more; got {self.rate_limit}.")
        if not 0 <= self.shutdown_s < 3600:
            raise ConfigError(f"shutdown_s must be in [0, 3600); got {self.shutdown_s}.")
        if self.log_format not in get_args(LogFormat):
            raise ConfigError(f"log_format must be text or json; got {self.log_format!r}.")
        if set(self.frame_ancestors or "") & set(";,\r\n"):
            raise ConfigError(f"frame_ancestors must be origins parted by spaces; got {self.frame_ancestors!r}.")
        self._check_auth()
        for proxy in (self.trusted_proxies or "").split(","):
            try:
                ip_network(proxy.strip() or "127.0.0.1")
            except ValueError:
                raise ConfigError(
                    f"trusted_proxies must be addresses or networks, by comma; got {proxy.strip()!r}."
                ) from None

    def _check_auth(self) -> None:
        user, colon, password = self.auth.partition(":")
        if self.auth and self.auth != HUGGING_FACE and not (user and colon and password):
            raise ConfigError("auth must be user:password or huggingface; got something else, which is not shown.")
        if self.auth and self.mcp:
            raise ConfigError("An agent cannot sign in: expected mcp or auth, got both. Leave one of them out.")

    @property
    def is_space(self) -> bool:
        """Whether this runs as a Hugging Face Space."""
        return bool(os.environ.get("SPACE_ID"))

    @property
    def is_public(self) -> bool:
        """Whether others than the users of this machine can reach the page, as far as its settings tell."""
        host = self.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
        return self.is_space or host not in _LOOPBACK or bool(self.trusted_proxies)

    @property
    def visitor_limit(self) -> int:
        """Comparisons a minute for one visitor; 0 for no limit."""
        if self.rate_limit is None:
            return DEFAULT_RATE_LIMIT if self.is_public else 0
        return self.rate_limit

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **given: Any) -> Self:
        """Settings given as arguments (None counts as not given), else `INFORM_*`, else defaults."""
        return cls(**_resolve(cls, environ, given))


def _resolve(cls: type[Any], environ: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in fields(cls):
        name = f"INFORM_{each.name.upper()}"
        if given.get(each.name) is not None:
            values[each.name] = given[each.name]
        elif environ.get(name, "").strip():
            values[each.name] = _parse(name, environ[name].strip(), str(each.type))
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

"""Every setting of `inform-demo annotate`, checked before anything is read, asked or paid for.

Knows ranges, prices and where the key stands; opens no file and no connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from inform_demo.errors import ConfigError
from inform_demo.recipe.annotation import Usage

# Sent where no key is set: a local server asks for none, and the client wants one.
NO_KEY = "no-key"


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """Which model judges, and how patiently it is asked.

    Attributes:
        base_url: of the API, up to and with its /v1.
        api_key_env: the environment variable that holds the key.
        timeout_s: silence after which a request counts as lost.
        retries: further attempts after rate limits, server errors, lost connections and timeouts.
        max_reply_tokens: where a reply is cut off, and then counts as none.
    """

    model: str
    base_url: str
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: float = 120.0
    retries: int = 5
    max_reply_tokens: int = 1024

    def __post_init__(self) -> None:
        try:
            url = urlsplit(self.base_url)
            is_url = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            is_url = False
        if not is_url:
            raise ConfigError("--base-url must be an address such as http://127.0.0.1:8000/v1.")
        if not self.timeout_s > 0 or self.retries < 0 or self.max_reply_tokens < 1:
            raise ConfigError("--timeout and --max-reply-tokens must be above 0, and --retries at least 0.")

    def read_key(self) -> str:
        """The key from the environment."""
        key = os.environ.get(self.api_key_env, "").strip() or NO_KEY
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"the environment variable {self.api_key_env} holds characters that no key has.")
        return key


@dataclass(frozen=True, kw_only=True)
class AnnotationConfig:
    """One run; every field is an option of `inform-demo annotate`.

    Attributes:
        data: pairs; a magnitude that they already have is replaced.
        output: the annotated pairs, gzipped where the name ends in .gz; log and report stand beside it.
        concurrency: questions under way at one time.
        max_tokens_budget, max_cost: bounds for the output, over all runs and judges; a question is asked only if what
            one request for it may take at most fits in. Lost requests count as that much each, but for those that a
            killed run had under way.
        price_in, price_out: USD a million tokens; what earlier runs took has this price too.
        drop_conflicts: leave out pairs whose label both orders contradict.
        limit: only the first so many pairs.
    """

    data: Path
    output: Path
    judge: JudgeConfig
    concurrency: int = 8
    max_tokens_budget: int | None = None
    max_cost: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    drop_conflicts: bool = False
    skip_invalid: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("concurrency", "max_tokens_budget", "max_cost", "limit"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"--{name.replace('_', '-')} must be above 0; got {value}.")
        if any(price is not None and not price >= 0 for price in (self.price_in, self.price_out)):
            raise ConfigError("--price-in and --price-out must be at least 0.")
        if (self.price_in is None) != (self.price_out is None):
            raise ConfigError("--price-in and --price-out go together; give both.")
        if self.max_cost is not None and self.price_in is None:
            raise ConfigError("--max-cost needs --price-in and --price-out, in USD a million tokens.")
        if self.output.is_dir() or not self.output.parent.is_dir():
            raise ConfigError(f"--output {self.output} must be a file in a folder that exists.")
        if self.output.resolve() == self.data.resolve():
            raise ConfigError("--output is the file of --data; name another one.")

    @property
    def log_path(self) -> Path:
        """Where judgements are kept."""
        return self.output.with_name(f"{self.output.name}.judgements.jsonl")

    @property
    def report_path(self) -> Path:
        """Where the report is written."""
        return self.output.with_name(f"{self.output.name}.report.json")

    def cost_usd(self, usage: Usage) -> float | None:
        """What the tokens cost, where prices are given."""
        if self.price_in is None or self.price_out is None:
            return None
        return (usage.tokens_in * self.price_in + usage.tokens_out * self.price_out) / 1e6

    def allows(self, usage: Usage) -> bool:
        """Whether both budgets allow so much."""
        if self.max_tokens_budget is not None and usage.n_tokens > self.max_tokens_budget:
            return False
        cost = self.cost_usd(usage)
        return self.max_cost is None or cost is None or cost <= self.max_cost

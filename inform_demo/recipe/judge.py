"""An LLM judge behind any server that speaks OpenAI's chat completions: one question in, one outcome out.

Retries, back-off, jitter and Retry-After are the openai client's own; what they may have cost is counted here. Knows
the network and what servers refuse; keeps no files and no budget. Whatever a server says is searched for the key before
it goes anywhere.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from inform_demo.errors import ConfigError, MissingDependencyError
from inform_demo.recipe.annotation import (
    REPLY_SCHEMA,
    Failure,
    Judgement,
    Outcome,
    Question,
    Usage,
    estimate_tokens,
    estimate_usage,
    parse_judgement,
)
from inform_demo.recipe.annotation_config import JudgeConfig

if TYPE_CHECKING:
    from openai import APIStatusError

logger = logging.getLogger(__name__)

# How a server is asked for JSON, strictest first; the last is to ask in words alone.
FORMATS: tuple[dict[str, Any], ...] = (
    {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "judgement", "strict": True, "schema": REPLY_SCHEMA},
        }
    },
    {"response_format": {"type": "json_object"}},
    {},
)

# OpenAI's reasoning models refuse both: there the first has another name, and the second is always 1.
_REFUSABLE = ("max_tokens", "temperature")

# Of a proxy that lost patience; the judge behind it may have replied, and been paid for it.
_GATEWAY_TIMEOUTS = {504, 524}

# A shorter key is a stand-in such as "EMPTY" or "x", and could be part of any word.
_SHORTEST_SECRET = 8
_MOST_DETAIL = 300
_REASONS = {"APITimeoutError": "timeout", "APIConnectionError": "no connection"}


@dataclass
class _Attempts:
    """What one question took, the client's retries included.

    Attributes:
        n_payable: requests that were sent and not answered with an error, for which nobody charges.
    """

    n_payable: int = 0


_attempts: ContextVar[_Attempts] = ContextVar("_attempts")


class Judge:
    """Asks; to be used as an async context manager.

    Raises:
        MissingDependencyError: without the openai package.
    """

    def __init__(self, config: JudgeConfig) -> None:
        try:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient
        except ImportError:
            raise MissingDependencyError("openai", "Annotating", 'pip install "inform-demo[annotate]"') from None
        self._config = config
        self._key = config.read_key()
        self._client = AsyncOpenAI(
            base_url=config.base_url,
            api_key=self._key,
            timeout=config.timeout_s,
            max_retries=config.retries,
            http_client=DefaultAsyncHttpxClient(
                event_hooks={"request": [_count_request], "response": [_discount_error]}
            ),
        )
        self._format = 0  # the strictest that the server has not been found to refuse
        self._refused: frozenset[str] = frozenset()  # of _REFUSABLE

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def ask(self, question: Question) -> Outcome:
        """One outcome, and what was lost on the way to it. What the server refuses is not asked for again.

        Raises:
            ConfigError: the server says that no question can succeed: key, credit, model or address is wrong.
        """
        attempts = _Attempts()
        _attempts.set(attempts)
        outcome = await self._ask(question)
        n_lost = attempts.n_payable - (outcome.usage.n_tokens > 0)
        at_most = estimate_usage(question, self._config.max_reply_tokens)
        return replace(outcome, lost=sum([at_most] * n_lost, Usage()))

    async def _ask(self, question: Question) -> Outcome:
        from openai import APIStatusError, OpenAIError

        level, refused = self._format, self._refused
        while True:
            try:
                completion = await self._request(question, level, refused)
                break
            except APIStatusError as error:
                said = error.response.text or str(error)
                self._stop_if_hopeless(error.status_code, error.code, said)
                parameter = _find_refused(error)
                if parameter and parameter not in refused:
                    refused |= {parameter}
                    continue
                # No two servers word it alike; asking without the format shows whether it was at fault.
                if error.status_code in {400, 422} and level + 1 < len(FORMATS):
                    level += 1
                    continue
                return self._failure(f"HTTP {error.status_code}", said)
            except (OpenAIError, ValueError) as error:
                return self._failure(_REASONS.get(type(error).__name__, "broken reply"), str(error.__cause__ or error))
        if "temperature" in refused - self._refused:
            logger.warning("The judge takes no temperature of 0: asked again, it may reply otherwise.")
        self._format, self._refused = max(self._format, level), self._refused | refused
        return self._read(question, completion)

    async def _request(self, question: Question, level: int, refused: frozenset[str]) -> Any:
        limit = "max_completion_tokens" if "max_tokens" in refused else "max_tokens"
        options: dict[str, Any] = {limit: self._config.max_reply_tokens, **FORMATS[level]}
        if "temperature" not in refused:
            options["temperature"] = 0
        messages: Any = question.messages()
        return await self._client.chat.completions.create(model=self._config.model, messages=messages, **options)

    def _stop_if_hopeless(self, status: int, code: str | None, said: str) -> None:
        advice = {
            401: f"Put a valid key into the environment variable {self._config.api_key_env}, or name another one with "
            "--api-key-env.",
            402: "The account has no credit left.",
            404: f"Check --judge {self._config.model} and --base-url.",
        }.get(402 if code == "insufficient_quota" else status)
        if advice:
            raise ConfigError(f"the judge's server refused (HTTP {status}). {advice} It said: {self._clean(said)}")

    def _read(self, question: Question, completion: Any) -> Outcome:
        """The outcome of a response; the client takes whatever a server sends, so any part may be missing."""
        try:
            choice, used = completion.choices[0], completion.usage
            text = choice.message.content if isinstance(choice.message.content, str) else ""
            result = self._judge_text(choice.finish_reason, choice.message.refusal, text)
            counts = (used.prompt_tokens, used.completion_tokens) if used else (None, None)
        except (AttributeError, LookupError, TypeError):
            return self._failure("broken reply", str(completion))
        if isinstance(counts[0], int) and isinstance(counts[1], int) and counts[0] > 0:
            return Outcome(result, Usage(*counts))
        return Outcome(result, estimate_usage(question, estimate_tokens(text)))

    def _judge_text(self, finish_reason: str | None, refusal: str | None, text: str) -> Judgement | Failure:
        if refusal or finish_reason == "content_filter":
            return Failure("refusal", self._clean(refusal or "content filter"))
        if finish_reason == "length":
            return Failure("cut off", self._clean(f"after {self._config.max_reply_tokens} tokens: {text}"))
        judgement = parse_judgement(text)
        if judgement is None:
            return Failure("unparsable", self._clean(text))
        return replace(judgement, reason=self._clean(judgement.reason))

    def _failure(self, reason: str, detail: str) -> Outcome:
        return Outcome(Failure(reason, self._clean(detail)))

    def _clean(self, text: str) -> str:
        """On one line, no longer than a report can show, and without the key, which some servers repeat."""
        if len(self._key) >= _SHORTEST_SECRET:
            text = text.replace(self._key, "[key]")
        return " ".join(text.split())[:_MOST_DETAIL]


def _find_refused(error: APIStatusError) -> str | None:
    """The parameter that a refusal names, where it is one that can be done without."""
    if error.status_code != 400:
        return None
    if error.param:
        return error.param if error.param in _REFUSABLE else None
    # Some servers repeat the request they refuse, and so the name of every parameter.
    if "messages" in error.message:
        return None
    return next((name for name in _REFUSABLE if name in error.message), None)


async def _count_request(request: Any) -> None:
    attempts = _attempts.get()

    async def trace(event: str, about: dict[str, Any]) -> None:
        # Not before: without a connection nothing is sent. CONNECT is for the proxy on the way.
        if event.endswith("send_request_headers.started") and about["request"].method != b"CONNECT":
            attempts.n_payable += 1

    request.extensions = {**request.extensions, "trace": trace}


async def _discount_error(response: Any) -> None:
    if not response.is_success and response.status_code not in _GATEWAY_TIMEOUTS:
        _attempts.get().n_payable -= 1

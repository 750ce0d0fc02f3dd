"""An LLM judge behind any server that speaks OpenAI's chat completions: one question in, one outcome out.

Retries, back-off, jitter and Retry-After are the openai client's own. Knows the network and what servers refuse; keeps
no files and counts no budget. Whatever a server says is searched for the key before it goes anywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

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

# A shorter key is a stand-in such as "EMPTY" or "x", and could be part of any word.
_SHORTEST_SECRET = 8
_MOST_DETAIL = 300
_REASONS = {"APITimeoutError": "timeout", "APIConnectionError": "no connection"}


class Judge:
    """Asks; to be used as an async context manager.

    Raises:
        MissingDependencyError: without the openai package.
    """

    def __init__(self, config: JudgeConfig) -> None:
        try:
            from openai import AsyncOpenAI
        except ImportError:
            raise MissingDependencyError("openai", "Annotating", 'pip install "inform-demo[annotate]"') from None
        self._config = config
        self._key = config.read_key()
        self._client = AsyncOpenAI(
            base_url=config.base_url, api_key=self._key, timeout=config.timeout_s, max_retries=config.retries
        )
        self._format = 0  # the strictest that the server has not been found to refuse

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def ask(self, question: Question) -> Outcome:
        """One outcome, at the price of one reply. A format that the server refuses is not asked for again.

        Raises:
            ConfigError: the server says that no question can succeed: key, credit, model or address is wrong.
        """
        from openai import APIStatusError, OpenAIError

        level = self._format
        while True:
            try:
                completion = await self._request(question, level)
                break
            except APIStatusError as error:
                said = error.response.text or str(error)
                self._stop_if_hopeless(error.status_code, error.code, said)
                # No two servers word it alike; asking without the format shows whether it was at fault.
                if error.status_code in {400, 422} and level + 1 < len(FORMATS):
                    level += 1
                    continue
                return self._failure(f"HTTP {error.status_code}", said)
            except (OpenAIError, ValueError) as error:
                return self._failure(_REASONS.get(type(error).__name__, "broken reply"), str(error.__cause__ or error))
        self._format = max(self._format, level)
        return self._read(question, completion)

    async def _request(self, question: Question, level: int) -> Any:
        options: dict[str, Any] = {"messages": question.messages(), **FORMATS[level]}
        return await self._client.chat.completions.create(
            model=self._config.model, temperature=0, max_tokens=self._config.max_reply_tokens, **options
        )

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

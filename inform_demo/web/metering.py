"""Time, tokens and a line in the log for whatever runs the model, without a word about it in the page's code.

Knows Gradio's events and queue, in one place because some of it is not public; knows nothing of rewards.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from gradio.queueing import Event
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import error_payload

from inform_demo.types import Comparison, Conversation, LoadReport, Reward, RewardTrace, Scorer
from inform_demo.ui.events import IS_ENDING, LOG_TEXTS, RESTART_S, SCORING, texts_of
from inform_demo.ui.texts import Texts, resolve_texts
from inform_demo.web import metrics
from inform_demo.web.access import visitor_of
from inform_demo.web.logs import REQUEST_ID
from inform_demo.web.stopping import Stopping

logger = logging.getLogger(__name__)

# Of the time an event takes: heavy enough for the last ones to count, light enough for one long batch step not to.
_WEIGHT = 0.2

# How often it is looked whether the server ends.
_TICK_S = 0.1


class QueueView:
    """The line for the model as it is now."""

    def __init__(self, demo: gr.Blocks) -> None:
        self._queue = demo._queue  # noqa: SLF001 - Gradio has no public way to ask
        self._mean_s = 1.0

    def length(self) -> int:
        """How many wait."""
        return len(self._queue)

    def held_by(self, visitor: str) -> int:
        """How many of those who wait are this visitor."""
        lines = self._queue.event_queue_per_concurrency_id.values()
        return sum(visitor_of(event.request.scope) == visitor for line in lines for event in line.queue)

    def wait_s(self) -> float:
        """About how long until all who wait now are served."""
        return min(600.0, max(1.0, self._mean_s * self.length()))

    def is_busy(self) -> bool:
        """Whether anyone waits or is being served."""
        lines = self._queue.event_queue_per_concurrency_id.values()
        return bool(self.length()) or any(line.current_concurrency for line in lines)

    def is_undelivered(self) -> bool:
        """Whether there are answers that nobody has fetched yet."""
        return any(self._queue.pending_event_ids_session.values())

    def waited_s(self, event_id: str | None) -> float:
        """How long the event that is being served was in the line."""
        event = self._queue.event_ids_to_events.get(event_id or "")
        return time.monotonic() - event.enqueue_time if event else 0.0

    async def take_leave(self, stopping: Stopping) -> None:
        """Words for those whom the server's end leaves without an answer; runs on the server's own loop."""
        while not stopping.is_over:
            await asyncio.sleep(_TICK_S)
            if stopping.is_overdue:
                async with self._queue.delete_lock:
                    for line in self._queue.event_queue_per_concurrency_id.values():
                        self._turn_away(line.queue)
                        line.queue.clear()
        self._turn_away(event for job in self._queue.active_jobs if job for event in job)

    def _turn_away(self, events: Iterable[Event]) -> None:
        """The answer that these get instead of the one that was to come."""
        for event in events:
            words = _restart_words(resolve_texts(event.request.headers.get("accept-language")))
            output = error_payload(gr.Error(words, print_exception=False), show_error=False)
            self._queue.send_message(event, ProcessCompletedMessage(output=output, success=False))
            event.alive = False  # a second answer would be sent to nobody
            metrics.REFUSED.labels(reason="stopping").inc()

    def note(self, took_s: float) -> None:
        """Remember how long an event took."""
        self._mean_s += _WEIGHT * (took_s - self._mean_s)


def _restart_words(t: Texts) -> str:
    return t.page.stopping.format(seconds=RESTART_S)


def meter(demo: gr.Blocks, view: QueueView, stopping: Stopping, log_texts: bool) -> None:
    """Put every event that waits for the model under the meter; call once, before `launch`."""
    for event in demo.fns.values():
        if event.fn is not None and event.concurrency_id == SCORING["concurrency_id"]:
            event.fn = _metered(event.fn, str(event.api_name or event.name), view, stopping, log_texts)


def _metered(
    call: Callable[..., Any], name: str, view: QueueView, stopping: Stopping, log_texts: bool
) -> Callable[..., Any]:
    @functools.wraps(call)
    def run(*args: Any, **kwargs: Any) -> Any:
        request = LocalContext.request.get(None)
        headers = getattr(request, "headers", None) or {}
        REQUEST_ID.set(headers.get("x-request-id", ""))
        LOG_TEXTS.set(log_texts)
        IS_ENDING.set(lambda: stopping.is_overdue)
        if stopping.is_overdue:
            raise gr.Error(_restart_words(texts_of(request)), print_exception=False)
        waited_s, began = view.waited_s(LocalContext.event_id.get(None)), time.monotonic()
        metrics.REQUESTS.labels(event=name).inc()
        metrics.WAIT.observe(waited_s)
        try:
            return call(*args, **kwargs)
        finally:
            took_s = time.monotonic() - began
            view.note(took_s)
            metrics.HANDLED.labels(event=name).observe(took_s)
            given: dict[str, Any] = {"event": name, "waited_s": round(waited_s, 4), "took_s": round(took_s, 4)}
            if log_texts:
                given["texts"] = [value for value in (*args, *kwargs.values()) if isinstance(value, str | list)]
            logger.info("scored", extra=given)

    return run


class MeteredScorer:
    """A `Scorer` whose time and tokens are counted.

    Args:
        scorer: the one that computes.
        run: calls a method of it by name, here or on another device.
    """

    def __init__(self, scorer: Scorer, run: Callable[..., Any] | None = None) -> None:
        self._scorer = scorer
        self._run = run or (lambda name, *args, **kwargs: getattr(scorer, name)(*args, **kwargs))

    @property
    def report(self) -> LoadReport:
        """Which model scores, and how."""
        return self._scorer.report

    @property
    def is_stuck(self) -> bool:
        """Whether a pass hangs."""
        return self._scorer.is_stuck

    def count_tokens(self, conversation: Conversation) -> int:
        """Tokens of the rendered conversation; costs nothing worth counting."""
        return self._scorer.count_tokens(conversation)

    def score(self, conversations: Sequence[Conversation], *, in_one_forward: bool = False) -> list[Reward]:
        """One reward a conversation."""
        rewards: list[Reward] = self._timed("score", conversations, in_one_forward=in_one_forward)
        shared = {c.prompt: reward.n_tokens_shared for c, reward in zip(conversations, rewards, strict=True)}
        own = sum(reward.n_tokens - reward.n_tokens_shared for reward in rewards)
        metrics.TOKENS.inc(own + sum(shared.values()))
        return rewards

    def compare(self, prompt: str, response_a: str, response_b: str, system: str | None = None) -> Comparison:
        """Score two answers to one prompt together."""
        return self._counted(self._timed("compare", prompt, response_a, response_b, system))

    def compare_conversations(self, a: Conversation, b: Conversation) -> Comparison:
        """Score two whole conversations with one prompt."""
        return self._counted(self._timed("compare_conversations", a, b))

    def trace_conversations(self, a: Conversation, b: Conversation) -> tuple[Comparison, RewardTrace, RewardTrace]:
        """The same, with the score head read at every token."""
        traced: tuple[Comparison, RewardTrace, RewardTrace] = self._timed("trace_conversations", a, b)
        self._counted(traced[0])
        return traced

    def _timed(self, name: str, *args: Any, **kwargs: Any) -> Any:
        with metrics.COMPUTE.time():
            return self._run(name, *args, **kwargs)

    @staticmethod
    def _counted(comparison: Comparison) -> Comparison:
        metrics.TOKENS.inc(comparison.n_tokens_a + comparison.n_tokens_b - comparison.n_tokens_shared)
        return comparison

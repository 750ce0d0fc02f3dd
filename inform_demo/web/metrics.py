"""What the server counts, in Prometheus' terms: requests, waits, compute time, tokens, faults by kind, queue length.

Knows numbers and names of events, never a text of a visitor. One process has one registry, as it has one model.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

# From a token or two on a fast card to a long batch step on a slow processor.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

REQUESTS = Counter("inform_requests", "Requests that reached the model's line, by event.", ["event"], registry=REGISTRY)
WAIT = Histogram("inform_wait_seconds", "Time in the queue.", buckets=_SECONDS, registry=REGISTRY)
HANDLED = Histogram(
    "inform_handled_seconds", "Time from leaving the queue to the answer.", ["event"], buckets=_SECONDS,
    registry=REGISTRY,
)  # fmt: skip
COMPUTE = Histogram("inform_compute_seconds", "Time in the scorer, by call.", buckets=_SECONDS, registry=REGISTRY)
TOKENS = Counter("inform_tokens", "Tokens computed; those that answers share count once.", registry=REGISTRY)
FAULTS = Counter("inform_faults", "Requests answered with a fault, by its type.", ["kind"], registry=REGISTRY)
REFUSED = Counter("inform_refused", "Requests turned away at the door, by reason.", ["reason"], registry=REGISTRY)
QUEUE_LENGTH = Gauge("inform_queue_length", "Requests that wait for the model.", registry=REGISTRY)
READY = Gauge("inform_ready", "1 where the model is loaded and no pass of it hangs.", registry=REGISTRY)


def watch(queue_length: Callable[[], int], is_ready: Callable[[], bool]) -> None:
    """Ask these whenever the metrics are read."""
    QUEUE_LENGTH.set_function(queue_length)
    READY.set_function(lambda: float(is_ready()))


def count_fault(error: Exception) -> None:
    """Count a fault by its type; what is no fault of ours has one name, so that labels stay few."""
    FAULTS.labels(kind=type(error).__name__ if type(error).__module__.startswith("inform_demo") else "Unforeseen").inc()


def render() -> bytes:
    """All of it, in the text format that Prometheus reads."""
    return generate_latest(REGISTRY)

"""From 1 to 64 clients at once through the real queue of a real server: who waits, how long, and is anything lost?

    python benchmarks/bench_serving.py [--clients 1 4 16 64] [--requests 4] [--model MODEL] [--quick]

`inform-demo serve` runs in a process of its own; each client is a `gradio_client` in a thread of its own and asks one
comparison after the other, every one with texts that no other has. "Computing" is what the answer says of itself,
"waiting" is the rest: the queue, two HTTP requests, and the clients' own work on the same machine. An answer is crossed
if it is not, to the bit, what a fresh scorer in this process gives for its texts; lost if it is an error or none. The
floor is the sum of all computing: the model answers one at a time. Exits with 1 if an answer was lost or crossed.
"""

from __future__ import annotations

import argparse
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from common import Report, command_line
from gradio_client import Client

from inform_demo.config import ModelConfig
from inform_demo.scoring import RewardScorer
from inform_demo.ui.examples import ORANGES

MOST_CLIENTS = 64
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Asked:
    """A comparison that came back, or not.

    Attributes:
        answer: None where it was lost.
    """

    texts: tuple[str, str, str]
    total_s: float
    answer: dict[str, Any] | None


@contextmanager
def running_server(model: str | None) -> Iterator[str]:
    """The address of a server that has loaded its model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "inform_demo", "serve", "--port", str(port), "--max-queue", str(2 * MOST_CLIENTS)]
    command += ["--model", model] if model else []
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not is_up(url):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not come up (exit code {server.poll()})")
            time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def is_up(url: str) -> bool:
    """Whether the page answers."""
    try:
        return httpx.get(url, timeout=30).is_success
    except httpx.TransportError:
        return False


def texts_of(client: int, request: int) -> tuple[str, str, str]:
    """The oranges example with numbers that occur once, so that no other answer can pass for this one's."""
    name = f"{client}-{request}"
    return ORANGES.prompt.replace("Tom", f"Tom {name}"), ORANGES.response_a, f"{ORANGES.response_b} ({name})"


def ask(client: Client, texts: tuple[str, str, str]) -> Asked:
    """One comparison, timed as its client sees it."""
    began = time.perf_counter()
    try:
        answer = client.submit(*texts, api_name="/compare").result(PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is lost, and the table says so
        print(f"lost: {type(error).__name__}: {error}", file=sys.stderr)
        answer = None
    return Asked(texts, time.perf_counter() - began, answer)


def connect(url: str) -> Client:
    """A client that waits as long as it takes."""
    return Client(url, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": PATIENCE_S})


def run_clients(url: str, n_clients: int, n_requests: int) -> tuple[list[Asked], float]:
    """All clients at once; what they got, and how long it took altogether."""
    with ThreadPoolExecutor(n_clients) as pool:
        clients = [*pool.map(lambda _: connect(url), range(n_clients))]

        def work(i: int) -> list[Asked]:
            return [ask(clients[i], texts_of(i, request)) for request in range(n_requests)]

        began = time.perf_counter()
        asked = [one for several in pool.map(work, range(n_clients)) for one in several]
        took_s = time.perf_counter() - began
    for client in clients:
        client.close()
    return asked, took_s


def is_crossed(scorer: RewardScorer, asked: Asked) -> bool:
    """Whether an answer belongs to other texts than it was asked for."""
    assert asked.answer is not None, "only what came back can be crossed"
    due = scorer.compare(*asked.texts)
    return (asked.answer["reward_a"], asked.answer["reward_b"]) != (due.reward_a, due.reward_b)


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64], help="up to 64")
    parser.add_argument("--requests", type=int, default=4, help="of each client, one after the other")
    parser.add_argument("--quick", action="store_true", help="a trial with 1 and 3 clients that writes nothing down")
    how = parser.parse_args()
    if how.quick:
        how.clients, how.requests = [1, 3], 1
    scorer = RewardScorer.load(ModelConfig.from_env(model=how.model))
    report = Report(f"serving {how.model or ''}", "Serving: many clients at once", is_trial=how.quick)
    report.add(
        f"{scorer.report.model} in {scorer.report.precision}; server and clients on the same machine.",
        "",
        f"{command_line()}: seconds as p50 / p95; every client asks again as soon as it has its answer.",
        "",
        "| clients | comparisons | a second | whole, s | waiting, s | computing, s | to floor | lost | crossed |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    )
    n_bad = 0
    with running_server(how.model) as url:
        run_clients(url, 1, 1)  # the model loads behind the page, and its first pass is slower
        for n_clients in how.clients:
            asked, took_s = run_clients(url, n_clients, how.requests)
            back = [one for one in asked if one.answer is not None]
            computing = [one.answer["elapsed_s"] for one in back if one.answer is not None]
            waiting = [one.total_s - spent for one, spent in zip(back, computing, strict=True)]
            crossed = sum(is_crossed(scorer, one) for one in back)
            cells = (show([one.total_s for one in back]), show(waiting), show(computing))
            report.add(
                f"| {n_clients} | {len(asked)} | {len(back) / took_s:.1f} | {' | '.join(cells)} "
                f"| {took_s / sum(computing) if back else math.inf:.2f} | {len(asked) - len(back)} | {crossed} |"
            )
            n_bad += len(asked) - len(back) + crossed
    sys.exit(bool(n_bad))


def show(seconds: list[float]) -> str:
    """Median / 95th percentile."""
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.2f} / {p95(seconds):.2f}"


def p95(seconds: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


if __name__ == "__main__":
    main()

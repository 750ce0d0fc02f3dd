"""Many clients for a while: is an answer lost, or given to another, and does memory grow?

    python benchmarks/bench_load.py [--clients 64] [--minutes 10]

The embedded model behind a server in a process of its own, asked over loopback as `curl` would. Each client has texts
of its own, whose rewards were computed here beforehand: an answer that is another's, or damaged, has other bits. Memory
is the server's resident set after a warm-up of a fifth of the time. A server that ends, or does not end when it is told
to, is a lost answer too. Runs of a minute and more are written to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import httpx
import psutil
from common import Report, command_line, p90

from inform_demo.config import ModelConfig
from inform_demo.scoring import RewardScorer


class Tally:
    """What came of all requests."""

    def __init__(self) -> None:
        self.n_right = 0
        self.wrong: list[str] = []
        self.latencies_s: list[float] = []
        self.memory_bytes: list[tuple[float, int]] = []

    def growth(self, warm_s: float) -> float:
        """By what share the median of the last fifth is above that of the first fifth after the warm-up."""
        warm = [size for at, size in self.memory_bytes if at >= warm_s]
        if not warm:
            return 0.0
        part = max(1, len(warm) // 5)
        return statistics.median(warm[-part:]) / statistics.median(warm[:part]) - 1


async def ask(client: httpx.AsyncClient, texts: tuple[str, str, str]) -> dict[str, object]:
    """One comparison, in the API's two steps."""
    asked = await client.post("gradio_api/call/compare", json={"data": [*texts, "", None]})
    asked.raise_for_status()
    told = await client.get(f"gradio_api/call/compare/{asked.json()['event_id']}")
    event, data = told.text.strip().split("\n\n")[-1].split("\n", 1)
    if event != "event: complete":
        raise ValueError(told.text[-300:])
    answer: dict[str, object] = json.loads(data.removeprefix("data: "))[0]
    return answer


async def visit(
    url: str, texts: tuple[str, str, str], expected: tuple[float, float], until: float, tally: Tally
) -> None:
    """One client until the time is up."""
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                answer = await ask(client, texts)
            except (httpx.HTTPError, ValueError) as error:
                tally.wrong.append(f"lost: {error!r}"[:300])
                await asyncio.sleep(0.5)
                continue
            tally.latencies_s.append(time.monotonic() - began)
            if (answer["reward_a"], answer["reward_b"]) == expected:
                tally.n_right += 1
            else:
                tally.wrong.append(f"crossed: {answer} instead of {expected}")


async def hammer(
    url: str, server: psutil.Process, n_clients: int, duration_s: float, scorer: RewardScorer, tally: Tally
) -> None:
    """All clients at once, and the server's memory meanwhile."""
    cases = [(f"Client {i} asks?", f"The answer to {i}.", "No answer. " * (1 + i % 7)) for i in range(n_clients)]
    rewards = [(c.reward_a, c.reward_b) for c in (scorer.compare(*texts) for texts in cases)]
    assert len(set(rewards)) == n_clients, "texts must tell clients apart"
    began = time.monotonic()
    until = began + duration_s

    async def watch() -> None:
        while time.monotonic() < until:
            try:
                tally.memory_bytes.append((time.monotonic() - began, server.memory_info().rss))
            except psutil.Error:
                tally.wrong.append("the server ended")
                return
            await asyncio.sleep(min(1.0, duration_s / 50))

    visits = [visit(url, texts, expected, until, tally) for texts, expected in zip(cases, rewards, strict=True)]
    await asyncio.gather(watch(), *visits)


def start_server(n_clients: int) -> tuple[subprocess.Popen[bytes], str]:
    """A server with room for all clients; returns once its model is loaded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = {"INFORM_PORT": port, "INFORM_MAX_QUEUE": str(2 * n_clients), "INFORM_RATE_LIMIT": "0"}
    # What is set for another server, such as its model, is not for this one.
    settings |= {name: value for name, value in os.environ.items() if not name.startswith("INFORM_")}
    # Not a pipe: nobody reads it, and a full one would stop the server.
    process = subprocess.Popen(
        [sys.executable, "-m", "inform_demo", "serve"], env=settings, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    while process.poll() is None:
        try:
            httpx.get(f"{url}readyz").raise_for_status()
            return process, url
        except httpx.HTTPError:
            time.sleep(0.5)
    raise RuntimeError(f"The server ended with {process.returncode}.")


def stop_server(process: subprocess.Popen[bytes], tally: Tally) -> None:
    """End it as whoever runs it would."""
    process.terminate()
    try:
        process.wait(120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        tally.wrong.append("the server did not end when it was told to")


def describe(tally: Tally, options: argparse.Namespace) -> list[str]:
    """The table."""
    latency = memory = growth = "none"
    if tally.latencies_s:
        latency = f"{statistics.median(tally.latencies_s):.2f} / {p90(tally.latencies_s):.2f}"
    if tally.memory_bytes:
        memory = f"{tally.memory_bytes[-1][1] / 2**20:.0f}"
        growth = f"{tally.growth(60 * options.minutes / 5):+.1%}"
    rows = {
        "clients": options.clients,
        "minutes": f"{options.minutes:g}",
        "right answers": f"{tally.n_right:,}",
        "lost or crossed": len(tally.wrong),
        "latency, s, median / ninth decile": latency,
        "resident memory at the end, MiB": memory,
        "growth after the warm-up": growth,
    }
    return ["| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows.items())]


def main() -> None:
    """Run, print, write; exit code 1 where an answer was lost or crossed, or memory grew by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    scorer, duration_s = RewardScorer.load(ModelConfig()), 60 * options.minutes
    process, url = start_server(options.clients)
    tally = Tally()
    try:
        asyncio.run(hammer(url, psutil.Process(process.pid), options.clients, duration_s, scorer, tally))
    finally:
        stop_server(process, tally)
    is_trial = options.minutes < 1
    report = Report(f"load {options.clients} clients", "Load", is_trial=is_trial)
    report.add(command_line(), "")
    report.add(*describe(tally, options))
    print(*tally.wrong[:10], sep="\n")
    has_grown = not is_trial and bool(tally.memory_bytes) and tally.growth(duration_s / 5) > 0.05
    sys.exit(bool(tally.wrong) or not tally.n_right or has_grown)


if __name__ == "__main__":
    main()

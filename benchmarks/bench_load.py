"""Many clients for a while: is an answer lost, or given to another, and does memory grow?

    python benchmarks/bench_load.py [--clients 64] [--minutes 10]

The embedded model behind a server in a process of its own, asked over loopback as `curl` would. Each client has texts
of its own, whose rewards were computed here beforehand: an answer that is another's, or damaged, has other bits. Memory
is the server's resident set after a warm-up of a fifth of the time. Runs of a minute and more are written to
benchmarks/results/.
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
from datetime import UTC, datetime

import httpx
import psutil
from common import RESULTS, describe_hardware, p90

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
                continue
            tally.latencies_s.append(time.monotonic() - began)
            if (answer["reward_a"], answer["reward_b"]) == expected:
                tally.n_right += 1
            else:
                tally.wrong.append(f"crossed: {answer} instead of {expected}")


async def hammer(url: str, server: psutil.Process, n_clients: int, duration_s: float, scorer: RewardScorer) -> Tally:
    """All clients at once, and the server's memory meanwhile."""
    cases = [(f"Client {i} asks?", f"The answer to {i}.", "No answer. " * (1 + i % 7)) for i in range(n_clients)]
    rewards = [(c.reward_a, c.reward_b) for c in (scorer.compare(*texts) for texts in cases)]
    assert len(set(rewards)) == n_clients, "texts must tell clients apart"
    tally, began = Tally(), time.monotonic()
    until = began + duration_s

    async def watch() -> None:
        while time.monotonic() < until:
            tally.memory_bytes.append((time.monotonic() - began, server.memory_info().rss))
            await asyncio.sleep(min(1.0, duration_s / 50))

    visits = [visit(url, texts, expected, until, tally) for texts, expected in zip(cases, rewards, strict=True)]
    await asyncio.gather(watch(), *visits)
    return tally


def start_server(n_clients: int) -> tuple[subprocess.Popen[bytes], str]:
    """A server with room for all clients; returns once its model is loaded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = {"INFORM_PORT": port, "INFORM_MAX_QUEUE": str(2 * n_clients), "INFORM_RATE_LIMIT": "0"}
    # Not a pipe: nobody reads it, and a full one would stop the server.
    process = subprocess.Popen(
        [sys.executable, "-m", "inform_demo", "serve"], env=os.environ | settings, stdout=subprocess.DEVNULL,
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


def main() -> None:
    """Run, print, write; exit code 1 where an answer was lost or crossed, or memory grew by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    scorer = RewardScorer.load(ModelConfig())
    process, url = start_server(options.clients)
    try:
        duration_s = 60 * options.minutes
        tally = asyncio.run(hammer(url, psutil.Process(process.pid), options.clients, duration_s, scorer))
    finally:
        process.terminate()
        process.wait(60)
    growth = tally.growth(duration_s / 5)
    sizes = [size for _, size in tally.memory_bytes]
    latency = f"{statistics.median(tally.latencies_s):.2f} / {p90(tally.latencies_s):.2f}"
    rows = {
        "clients": options.clients,
        "minutes": options.minutes,
        "right answers": f"{tally.n_right:,}",
        "lost or crossed": len(tally.wrong),
        "latency, s, median / ninth decile": latency,
        "resident memory at the end, MiB": f"{sizes[-1] / 2**20:.0f}",
        "growth after the warm-up": f"{growth:+.1%}",
    }
    now = datetime.now(UTC)
    lines = [
        f"# Load on {describe_hardware()}, {now:%Y-%m-%d}",
        f"\n`python benchmarks/bench_load.py --clients {options.clients} --minutes {options.minutes:g}`\n",
        "| | |\n| --- | ---: |",
        *(f"| {name} | {value} |" for name, value in rows.items()),
    ]
    text = "\n".join(lines) + "\n"
    print(text, *tally.wrong[:10], sep="\n")
    if options.minutes >= 1:
        (RESULTS / f"load-{options.clients}-clients-{now:%Y-%m-%d}.md").write_text(text, encoding="utf-8")
    sys.exit(bool(tally.wrong) or (growth > 0.05 and options.minutes >= 1))


if __name__ == "__main__":
    main()

"""A page behind its gate, over a stand-in for the model; and the process of one that can be ended by signals."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def serve():
    """A function that serves a page over a scorer or slot, and returns its address; closed after the test."""
    demos = []

    def open_page(scorer=None, config=None, **options):
        scorer = scorer or FakeScorer()
        slot = scorer if isinstance(scorer, ScorerSlot) else ScorerSlot(lambda: scorer)
        config = config or ServeConfig()
        demo = build_demo(slot, config, "a-model")
        demos.append(demo)
        return launch(demo, config, prevent_thread_lock=True, quiet=True, **options)

    yield open_page
    for demo in demos:
        demo.close(verbose=False)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start():
    """A function that starts `tests.web.fake_server` and waits for its page; killed after the test."""
    processes = []

    def run(port=None, **environment):
        port = port or free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.fake_server"],
            cwd=ROOT,
            env={**os.environ, "INFORM_PORT": str(port), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        url = f"http://127.0.0.1:{port}/"
        deadline = time.monotonic() + 180
        while True:
            try:
                httpx.get(f"{url}readyz").raise_for_status()
                return process, url
            except httpx.HTTPError:
                assert process.poll() is None, process.stdout.read()
                assert time.monotonic() < deadline
                time.sleep(0.1)

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(url, *texts, **options):
    """Put a comparison in the queue, as curl does; returns the response to that."""
    data = [*(texts or ("which?", "one two three", "one")), "", None]
    return httpx.post(f"{url}gradio_api/call/compare", json={"data": data}, timeout=60, **options)


def answer(url, asked, **options):
    """The event stream with the answer to what `ask` asked."""
    response = httpx.get(f"{url}gradio_api/call/compare/{asked.json()['event_id']}", timeout=60, **options)
    return response.text

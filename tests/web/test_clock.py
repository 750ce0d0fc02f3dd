"""A wall clock that jumps a day back or forward at every look moves no limit, no wait, no deadline and no figure."""

from __future__ import annotations

import ast
import asyncio
import itertools
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from inform_demo.config import ServeConfig
from inform_demo.errors import ModelStuckError
from inform_demo.progress import ProgressTracker
from inform_demo.watchdog import Watchdog
from inform_demo.web.bodies import read_json
from tests.doubles import FakeScorer
from tests.web.conftest import ROOT, answer, ask

# Python runs it before anything of the server is imported, so that a default argument cannot hold the real clock.
JUMPS = """
import itertools, time
_days, _real = itertools.cycle((0, 86_400, 0, -86_400)), time.time
time.time = lambda: _real() + next(_days)
"""


@pytest.fixture
def jumping(monkeypatch):
    days, real = itertools.cycle((0, 86_400, 0, -86_400)), time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(days))


def test_only_moments_are_read_from_the_wall_clock():
    found = {}
    for file in (ROOT / "inform_demo").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        uses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time"]
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "time"]
        if uses or imports:
            found[file.name] = (len(uses), len(imports))
    # When a comparison was made, until when a session is signed in, and how old a file is, which no other clock knows.
    assert found == {"handlers.py": (1, 0), "access.py": (1, 0), "uploads.py": (1, 0)}


def test_limits_waits_and_the_end_of_a_server(start, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(JUMPS, encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    process, url = start(PYTHONPATH=path, FAKE_DELAY_S="1.0", INFORM_RATE_LIMIT="2", INFORM_LOG_FORMAT="json")
    asked = [ask(url) for _ in range(2)]
    refused = [ask(url) for _ in range(4)]
    assert [each.status_code for each in asked] == [200, 200]
    assert [each.status_code for each in refused] == [429] * 4
    assert all(0 < int(each.headers["retry-after"]) <= 30 for each in refused)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(answer, url, each) for each in asked]
        time.sleep(0.3)
        process.terminate()
        assert all("event: complete" in each.result(timeout=60) for each in answers)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    times = [line[name] for line in lines for name in ("waited_s", "took_s") if name in line]
    assert len(times) >= 10
    assert all(0 <= seconds < 60 for seconds in times)


def test_when_to_come_back_to_a_full_queue(serve, jumping):
    scorer = FakeScorer()
    url = serve(scorer, ServeConfig(max_queue=1))
    assert "complete" in answer(url, ask(url))  # by which the wait is judged
    scorer.delay_s = 60
    scorer.started.clear()
    running = ask(url)
    assert scorer.started.wait(10)
    waiting, full = ask(url), ask(url)
    assert full.status_code == 503
    assert 0 < int(full.headers["retry-after"]) < 60
    scorer.released.set()
    assert all("complete" in answer(url, each) for each in (running, waiting))


def test_a_pass_is_given_up_after_its_own_time_only(jumping):
    watchdog, released = Watchdog(), threading.Event()
    assert watchdog.run(lambda: time.sleep(0.05) or "done", 30) == "done"
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        watchdog.run(lambda: released.wait(60), 0.2)
    assert 0.2 <= time.monotonic() - began < 20
    with pytest.raises(ModelStuckError) as caught:
        watchdog.run(lambda: None, 30)
    assert 0 <= caught.value.stuck_s < 60
    released.set()


def test_loading_and_scoring_take_as_long_as_they_take(jumping, embedded_scorer):
    tracker = ProgressTracker()
    tracker.begin("downloading", 1000)
    time.sleep(0.05)
    tracker.advance_to(500)
    assert 0 < tracker.now().eta_s < 60
    assert 0 < embedded_scorer.compare("which?", "one", "two").elapsed_s < 60


def test_a_body_in_pieces_is_not_late(jumping):
    pieces = [{"type": "http.request", "body": b"1", "more_body": i < 9} for i in range(10)]

    async def receive():
        return pieces.pop(0)

    assert asyncio.run(read_json(receive))[0] == b"1" * 10

"""A whole server in a process of its own, over a stand-in for the model: settings from the environment.

A comparison takes `FAKE_DELAY_S` seconds, or until a line is written to standard input.
"""

from __future__ import annotations

import os
import sys
import threading

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.web import patience
from inform_demo.web.logs import configure_logging
from inform_demo.web.stopping import Stopping
from tests.doubles import FakeScorer

patience.HEAD_S = 120.0  # a test on a busy machine may be slow between connecting and asking
config = ServeConfig.from_env()
configure_logging(config.log_format)
scorer = FakeScorer(delay_s=float(os.environ.get("FAKE_DELAY_S", "0")))


def say_when_it_computes() -> None:
    scorer.started.wait()
    print("it computes", flush=True)  # noqa: T201 - what the test reads


def release_on_a_line() -> None:
    if sys.stdin.readline():
        scorer.released.set()


for call in (say_when_it_computes, release_on_a_line):
    threading.Thread(target=call, daemon=True).start()
launch(build_demo(ScorerSlot(lambda: scorer), config), config, Stopping(config.shutdown_s), quiet=True)
print("ended in order")  # noqa: T201 - what the test reads

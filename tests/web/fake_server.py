"""A whole server in a process of its own, over a stand-in for the model: settings from the environment."""

from __future__ import annotations

import os

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.web.logs import configure_logging
from inform_demo.web.stopping import Stopping
from tests.doubles import FakeScorer

config = ServeConfig.from_env()
configure_logging(config.log_format)
scorer = FakeScorer(delay_s=float(os.environ.get("FAKE_DELAY_S", "0")))
launch(build_demo(ScorerSlot(lambda: scorer), config), config, Stopping(config.shutdown_s), quiet=True)
print("ended in order")  # noqa: T201 - what the test reads

"""The scripts of benchmarks/ that look for lost answers and crashes, on a small scale."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from inform_demo.errors import InformError
from inform_demo.ui.handlers import parse_conversation
from inform_demo.ui.texts import ENGLISH
from tests.web.conftest import ROOT

CHROMIUM = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))


def test_a_number_of_thousands_of_digits_is_a_named_fault():
    for text in ("9" * 5000, f'[{{"role": "user", "content": {"9" * 5000}}}]'):
        with pytest.raises(InformError):
            parse_conversation(text, ENGLISH)


@pytest.mark.parametrize(
    ("script", "options", "words"),
    [
        ("fuzz_inputs.py", ["--inputs", "900"], "no crash and no hang"),
        pytest.param(
            "fuzz_inputs.py",
            ["--kind", "share-links", "--inputs", "30"],
            "no crash and no hang",
            marks=[pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed.")],
        ),
        pytest.param(
            "fuzz_api.py",
            ["--requests", "20"],
            "- 0 findings\n- the server is still ready",
            marks=pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed."),
        ),
        ("bench_load.py", ["--clients", "4", "--minutes", "0.05"], "| lost or crossed | 0 |"),
    ],
)
@pytest.mark.slow
def test_a_short_run_finds_nothing(script, options, words):
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert words in done.stdout

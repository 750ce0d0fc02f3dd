"""Share links of every kind, for the script that reads them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.web.conftest import ROOT


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.usefixtures("browser")  # which says why, where there is none
def test_share_links_of_every_kind_are_read_or_named_and_run_nothing():
    command = [sys.executable, "benchmarks/fuzz_inputs.py", "--kind", "share-links", "--inputs", "200"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "share links: 200 inputs" in done.stdout

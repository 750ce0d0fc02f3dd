"""The benchmarks run, on a small scale; what they measure here is worth nothing and written nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(script, *options):
    return subprocess.run(
        [sys.executable, f"benchmarks/{script}.py", "--quick", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("script", "n_rows"), [("bench_scoring", 2), ("bench_bulk", 3), ("bench_serving", 2)], ids=str)
def test_a_trial_fills_its_table_and_writes_nothing(script, n_rows):
    before = {*(ROOT / "benchmarks" / "results").iterdir()}
    done = run(script)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    head, line, *rows = [row for row in done.stdout.splitlines() if row.startswith("|")]
    assert len(rows) == n_rows
    assert {row.count("|") for row in (line, *rows)} == {head.count("|")}
    assert f"`python benchmarks/{script}.py --quick`" in done.stdout
    assert {*(ROOT / "benchmarks" / "results").iterdir()} == before


@pytest.mark.slow
def test_sharing_changes_no_reward_beyond_the_precision():
    """The last column: ours in fp32 against the card's own passes in fp32."""
    done = run("bench_scoring", "--precision", "fp32")
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 2, done.stdout + done.stderr
    assert all(float(row[-1]) < 1e-4 and float(row[-2]) < 1e-4 for row in rows), done.stdout


def test_a_random_model_is_not_called_quantised():
    done = run("bench_bulk", "--model", "random:0.1B", "--precision", "int8")
    assert done.returncode == 1
    assert "made in bf16 or fp32; got int8" in done.stderr

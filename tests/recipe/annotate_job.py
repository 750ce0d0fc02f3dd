"""What the tests of annotation share: settings short of patience, and a wait."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from inform_demo.recipe.annotating import annotate
from inform_demo.recipe.annotation_config import AnnotationConfig, JudgeConfig
from inform_demo.recipe.pairs import read_pairs
from tests.recipe.judge_server import TOKENS_IN, TOKENS_OUT

ROOT = Path(__file__).parents[2]
KEY = "sk-a-secret-of-the-tests"
PER_QUESTION = TOKENS_IN + TOKENS_OUT


class Job:
    """A file of pairs and the settings to annotate it; short of patience, as tests are."""

    def __init__(self, folder, url):
        self.data, self.output, self.url = folder / "pairs.jsonl", folder / "annotated.jsonl", url

    def write(self, pairs):
        lines = [{name: value for name, value in pair.items() if name != "magnitude"} for pair in pairs]
        self.data.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def config(self, judge=None, **changes):
        settings = {"model": "the-judge", "timeout_s": 5.0, "retries": 1, **(judge or {})}
        judge = JudgeConfig(base_url=self.url, **settings)
        return AnnotationConfig(**{"data": self.data, "output": self.output, "judge": judge, **changes})

    def run(self, **changes):
        return annotate(self.config(**changes))

    def arguments(self, *more):
        given = {"data": self.data, "output": self.output, "judge": "the-judge", "base-url": self.url, "retries": 1}
        return ["annotate", *(str(part) for name, value in given.items() for part in (f"--{name}", value)), *more]

    @property
    def log(self):
        return self.output.with_name("annotated.jsonl.judgements.jsonl")

    @property
    def n_logged(self):
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0


def magnitudes(file):
    return [pair.magnitude for pair in read_pairs(file)]


def wait_until(condition):
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.025)
    pytest.fail("it did not happen within a minute")


def asked(server):
    return [body["messages"][1]["content"] for body in server.bodies]

"""A dozen pairs that can be learnt by heart, and a base small enough to learn them in seconds."""

from __future__ import annotations

import json

import pytest
import torch

from inform_demo.attention import TREE_ATTENTION
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.recipe.training_config import TrainingConfig
from tests.conftest import tiny_config
from tests.recipe.annotate_job import KEY, Job
from tests.recipe.judge_server import JudgeServer

QUESTIONS = ["apples", "rivers", "clouds", "trains", "music", "bread", "stars", "doors", "paint", "snow", "maps", "tea"]


def row(prompt, chosen, rejected, magnitude=2, source="made-up"):
    def turns(answer):
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]

    return {"chosen": turns(chosen), "rejected": turns(rejected), "magnitude": magnitude, "source": source}


ROWS = [
    row(f"Tell me about {word}.", f"Gladly: {word} are many things.", f"No, not about {word}.", 1 + i % 3)
    for i, word in enumerate(QUESTIONS)
]


def rows(n):
    """Pairs whose right answer is longer by 0, 10 or 20 characters, so of strength 1, 2, 3."""
    return [row(f"Question {i}?", "r" * (11 + 10 * (i % 3)), "w" * 10, source=f"s{i}") for i in range(n)]


@pytest.fixture
def pairs_file(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory, tokenizer):
    """A two-layer checkpoint with the embedded model's tokenizer and chat template."""
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = tiny_config(vocab_size=len(tokenizer), num_hidden_layers=2, initializer_range=0.05)
    model = INFORMForSequenceClassification._from_config(config, attn_implementation=TREE_ATTENTION)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def config(tiny_base, pairs_file, tmp_path):
    return TrainingConfig(
        base=tiny_base,
        data=(pairs_file,),
        output=tmp_path / "out",
        max_steps=24,
        batch_size=4,
        micro_batch_size=4,
        learning_rate=3e-3,
        head_learning_rate=3e-3,
        warmup_steps=2,
        holdout_fraction=0,
        save_steps=12,
        bf16=False,
    )


def state_of(config):
    last = max(config.output.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    return json.loads((last / "trainer_state.json").read_text())


def log_of(config):
    return state_of(config)["log_history"]


def weights_of(folder):
    return INFORMForSequenceClassification.from_pretrained(folder).state_dict()


@pytest.fixture
def server():
    with JudgeServer() as server:
        yield server


@pytest.fixture
def job(tmp_path, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    job = Job(tmp_path, server.url)
    job.write(rows(6))
    yield job
    for file in tmp_path.iterdir():
        assert KEY not in file.read_bytes().decode(errors="replace"), file

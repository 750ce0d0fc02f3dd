"""Small real parts that many tests share: a seeded random Llama, its plain twin, and the embedded checkpoint."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The tests run side by side; threads of torch that wait for one another would take each other's core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Gradio takes the first free port from here on. Workers that looked in one place would take the same one at times.
os.environ["GRADIO_SERVER_PORT"] = str(17860 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))

import pytest
import torch
from transformers import LlamaConfig, PreTrainedTokenizerFast

from inform_demo import load_scorer
from inform_demo.attention import TREE_ATTENTION
from inform_demo.config import EMBEDDED_MODEL
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.scoring import RewardScorer

VOCABULARY = 97


def tiny_config(**changes):
    """A Llama small enough for hundreds of forwards, with grouped key-value heads as in the real one."""
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.25,  # large weights, so that a wrong position or neighbour moves the reward visibly
        "pad_token_id": 2,
    }
    return LlamaConfig(**{**settings, **changes})


def build_tiny_model(dtype=torch.float32, attention=TREE_ATTENTION, **changes):
    torch.manual_seed(0)
    model = INFORMForSequenceClassification._from_config(tiny_config(**changes), attn_implementation=attention)
    return model.to(dtype).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tree_model():
    """Scores packs."""
    return build_tiny_model()


@pytest.fixture(scope="session")
def plain_model():
    """The same weights under transformers' own attention: scores plain batches."""
    return build_tiny_model(attention="sdpa")


@pytest.fixture(scope="session")
def embedded_scorer() -> RewardScorer:
    return load_scorer(str(EMBEDDED_MODEL))


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(EMBEDDED_MODEL)

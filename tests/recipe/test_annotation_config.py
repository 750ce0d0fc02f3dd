"""What annotation may be asked to do and to spend, and what is refused before anything is paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from inform_demo.errors import ConfigError
from inform_demo.recipe.annotation import (
    Usage,
)
from inform_demo.recipe.annotation_config import AnnotationConfig, JudgeConfig


def config(tmp_path, judge=None, **changes):
    settings = {"model": "m", "base_url": "http://127.0.0.1:1/v1", **(judge or {})}
    return AnnotationConfig(
        **{"data": tmp_path / "in.jsonl", "output": tmp_path / "out.jsonl", "judge": JudgeConfig(**settings), **changes}
    )


def test_budgets_count_tokens_and_money(tmp_path):
    usage = Usage(1000, 500) + Usage(1000, 500, 1)
    assert (usage.n_tokens, usage.n_estimated) == (3000, 1)
    priced = config(tmp_path, max_tokens_budget=3000, max_cost=0.006, price_in=1, price_out=4)
    assert priced.cost_usd(usage) == pytest.approx(0.006)
    assert priced.allows(usage)
    assert not priced.allows(usage + Usage(1))
    assert not config(tmp_path, max_cost=0.0059, price_in=1, price_out=4).allows(usage)
    assert config(tmp_path).cost_usd(usage) is None


BAD_SETTINGS = {
    "concurrency": ({"concurrency": 0}, "--concurrency must be above 0; got 0"),
    "budget": ({"max_tokens_budget": -1}, "--max-tokens-budget must be above 0"),
    "no number": ({"max_cost": float("nan"), "price_in": 1, "price_out": 1}, "--max-cost must be above 0"),
    "limit": ({"limit": 0}, "--limit must be above 0"),
    "one price": ({"price_in": 1}, "go together"),
    "negative price": ({"price_in": 1, "price_out": -1}, "at least 0"),
    "cost without prices": ({"max_cost": 1}, "--max-cost needs --price-in and --price-out"),
    "no folder": ({"output": Path("nowhere/out.jsonl")}, "must be a file in a folder that exists"),
    "no address": ({"judge": {"base_url": "localhost:8000/v1"}}, "--base-url must be an address"),
    "no port": ({"judge": {"base_url": "http://host:port/v1"}}, "--base-url must be an address"),
    "timeout": ({"judge": {"timeout_s": 0}}, "--timeout"),
    "retries": ({"judge": {"retries": -1}}, "--retries"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_impossible_settings_are_told_before_anything_is_paid(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, **changes)


def test_the_output_is_neither_the_data_nor_a_folder(tmp_path):
    for output in (tmp_path, tmp_path / "in.jsonl"):
        with pytest.raises(ConfigError, match="--output"):
            config(tmp_path, output=output)


def test_a_key_that_no_header_can_hold_is_told_without_showing_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "ключ")
    with pytest.raises(ConfigError, match="SOME_KEY") as caught:
        config(tmp_path, judge={"api_key_env": "SOME_KEY"}).judge.read_key()
    assert "ключ" not in str(caught.value)
    monkeypatch.setenv("SOME_KEY", " sk-1\n")
    assert config(tmp_path, judge={"api_key_env": "SOME_KEY"}).judge.read_key() == "sk-1"

"""The plan tells for any cards what loading would do there; it reads no weights, and of the published model no hub."""

from __future__ import annotations

import json

import pytest

from inform_demo.cli import main
from inform_demo.config import INFORM_70B, ModelConfig
from inform_demo.errors import ConfigError
from inform_demo.placement import CARD_SIZES, GIB, Device
from inform_demo.plan import build_plan, parse_cards, render_plan


def plan_70b(cards, **settings):
    return build_plan(ModelConfig(model=INFORM_70B, **settings), parse_cards(cards))


@pytest.mark.parametrize(
    ("text", "sizes"), [("2x80", [80, 80]), ("1x80,2x48", [80, 48, 48]), (" 1 X 22.5 ", [22.5]), ("1x141", [141])]
)
def test_cards_are_read_as_they_are_sold(text, sizes):
    cards = parse_cards(text)
    assert [card.free_bytes for card in cards] == [int(size * GIB * 0.99) for size in sizes]
    assert [card.index for card in cards] == list(range(len(sizes)))


@pytest.mark.parametrize(
    "text", ["80", "x80", "2x", "0x80", "2x0", "2x80,", "2x80;1x40", "-1x80", "65x80", "60x80,60x80"]
)
def test_what_names_no_cards_is_refused(text):
    with pytest.raises(ConfigError, match="--gpus"):
        parse_cards(text)


@pytest.mark.parametrize(
    ("cards", "chosen"), [("2x80", "bf16"), ("1x141", "bf16"), ("1x80", "int8"), ("1x48", "nf4"), ("1x80,2x48", "bf16")]
)
def test_the_published_model_on_these_cards_comes_to(cards, chosen):
    plan = plan_70b(cards)
    assert plan.chosen == chosen
    assert plan.n_parameters == pytest.approx(69.57e9, rel=1e-3)
    rows = {row.precision: row for row in plan.rows}
    assert rows.keys() == {"bf16", "fp32", "int8", "nf4"}
    assert rows[chosen].device_map is not None
    assert [rows["bf16"].cards_needed[size] for size in CARD_SIZES] == [12, 7, 6, 4, 4, 2, 2, 1, 1]


def test_cards_that_are_too_small_are_told_with_the_ones_that_would_do():
    text = render_plan(plan_70b("1x24"))
    assert text.count("does not fit") == 4
    assert "nf4 on 1 x 48 GB or 2 x 24 GB" in text


def test_a_precision_that_is_asked_for_is_the_one_that_is_judged():
    assert plan_70b("1x80", precision="nf4").chosen == "nf4"
    plan = plan_70b("1x80", precision="bf16")
    assert plan.chosen is None
    assert "--precision int8 or nf4" in plan.reason


def test_the_plan_is_what_loading_does_on_a_cpu_without_bf16(monkeypatch):
    for module in ("plan", "loading"):
        monkeypatch.setattr(f"inform_demo.{module}.has_fast_bf16", lambda: False)
    assert build_plan(ModelConfig(), [Device(None, "cpu", GIB)]).chosen == "fp32"
    assert build_plan(ModelConfig(), [Device(0, "card", 8 * GIB)]).chosen == "bf16"


def test_the_command_prints_one_table_or_one_object(capsys):
    assert main(["plan", "--model", INFORM_70B, "--gpus", "2x80", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["chosen"] == "bf16"
    assert plan["rows"][0]["device_map"]["model.layers.79"] == 1
    assert main(["plan"]) == 0  # the embedded model on this machine
    assert "0.06 B parameters" in capsys.readouterr().out
    assert main(["plan", "--gpus", "some"]) == 2
    assert "--gpus must be like 2x80" in capsys.readouterr().err

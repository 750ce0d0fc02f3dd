"""Settings: argument before environment before default, and a clear error for each that is not possible."""

from __future__ import annotations

import dataclasses

import pytest

from inform_demo.config import EMBEDDED_MODEL, ModelConfig, ServeConfig
from inform_demo.errors import ConfigError

SET = {
    "INFORM_MODEL": "owner/name",
    "INFORM_PRECISION": "int8",
    "INFORM_MAX_TOKENS": "77",
    "INFORM_REVISION": "v2",
    "INFORM_FORWARD_TIMEOUT_S": "9.5",
    "INFORM_HOST": "0.0.0.0",
    "INFORM_PORT": "8000",
    "INFORM_MAX_QUEUE": "3",
    "INFORM_TIE_BAND": "0.1",
    "INFORM_MCP": "1",
}


def test_every_field_can_be_set_by_the_environment():
    model, serve = ModelConfig.from_env(SET), ServeConfig.from_env(SET)
    assert dataclasses.astuple(model) == ("owner/name", "int8", 77, "v2", 9.5)
    assert dataclasses.astuple(serve) == ("0.0.0.0", 8000, 3, 0.1, True)
    fields = [field.name for config in (model, serve) for field in dataclasses.fields(config)]
    assert {f"INFORM_{name.upper()}" for name in fields} == SET.keys()


def test_an_argument_comes_before_the_environment_and_none_counts_as_not_given():
    assert ModelConfig.from_env(SET, max_tokens=5, precision=None).max_tokens == 5
    assert ModelConfig.from_env(SET, max_tokens=5, precision=None).precision == "int8"


def test_blank_counts_as_unset():
    assert ModelConfig.from_env(dict.fromkeys(SET, "  ")) == ModelConfig()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("INFORM_MAX_TOKENS", "many", "INFORM_MAX_TOKENS must be a number; got 'many'"),
        ("INFORM_MAX_TOKENS", "0", "max_tokens must be at least 1; got 0"),
        ("INFORM_PRECISION", "fp8", "precision must be one of .*; got 'fp8'"),
        ("INFORM_FORWARD_TIMEOUT_S", "0", "forward_timeout_s must be more than 0; got 0.0"),
        ("INFORM_FORWARD_TIMEOUT_S", "nan", "forward_timeout_s must be more than 0"),
        ("INFORM_PORT", "70000", "port must be between 1 and 65535; got 70000"),
        ("INFORM_MAX_QUEUE", "0", "max_queue must be at least 1; got 0"),
        ("INFORM_TIE_BAND", "0.5", r"tie_band must be in \[0, 0.5\); got 0.5"),
        ("INFORM_TIE_BAND", "nan", "tie_band must be in"),
        ("INFORM_MCP", "perhaps", "INFORM_MCP must be 0 or 1; got 'perhaps'"),
    ],
)
def test_impossible_values_are_named(name, value, message):
    with pytest.raises(ConfigError, match=message):
        [config.from_env({name: value}) for config in (ModelConfig, ServeConfig)]


def test_the_embedded_model_is_recognised_by_its_folder():
    assert ModelConfig(model=str(EMBEDDED_MODEL)).is_embedded
    assert not ModelConfig(model="owner/name").is_embedded
    assert ModelConfig().source == str(EMBEDDED_MODEL)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().precision = "bf16"


@pytest.mark.parametrize(("given", "expected"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_a_switch_is_0_or_1(given, expected):
    assert ServeConfig.from_env({"INFORM_MCP": given}).mcp is expected

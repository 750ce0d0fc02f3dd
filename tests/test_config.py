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
    "INFORM_AUTH": "",
    "INFORM_RATE_LIMIT": "7",
    "INFORM_TRUSTED_PROXIES": "10.0.0.0/8",
    "INFORM_FRAME_ANCESTORS": "https://example.org",
    "INFORM_METRICS": "1",
    "INFORM_LOG_FORMAT": "json",
    "INFORM_LOG_TEXTS": "1",
    "INFORM_SHUTDOWN_S": "5",
}


def test_every_field_can_be_set_by_the_environment():
    model, serve = ModelConfig.from_env(SET), ServeConfig.from_env(SET)
    assert dataclasses.astuple(model) == ("owner/name", "int8", 77, "v2", 9.5)
    assert dataclasses.astuple(serve) == (
        *("0.0.0.0", 8000, 3, 0.1, True, "", 7, "10.0.0.0/8", "https://example.org", True, "json", True, 5.0),
    )
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
        ("INFORM_FORWARD_TIMEOUT_S", "0", r"forward_timeout_s must be in \(0, 86400\]; got 0.0"),
        ("INFORM_FORWARD_TIMEOUT_S", "nan", "forward_timeout_s must be in"),
        ("INFORM_FORWARD_TIMEOUT_S", "inf", "forward_timeout_s must be in"),
        ("INFORM_PORT", "70000", "port must be between 1 and 65535; got 70000"),
        ("INFORM_MAX_QUEUE", "0", "max_queue must be at least 1; got 0"),
        ("INFORM_TIE_BAND", "0.5", r"tie_band must be in \[0, 0.5\); got 0.5"),
        ("INFORM_TIE_BAND", "nan", "tie_band must be in"),
        ("INFORM_MCP", "perhaps", "INFORM_MCP must be 0 or 1; got 'perhaps'"),
        ("INFORM_AUTH", "only-a-user", "auth must be user:password or huggingface; got something else"),
        ("INFORM_RATE_LIMIT", "-1", "rate_limit must be 0 or more; got -1"),
        ("INFORM_TRUSTED_PROXIES", "10.0.0.0/8, nginx", "trusted_proxies must be addresses .*; got 'nginx'"),
        ("INFORM_FRAME_ANCESTORS", "https://a.org; script-src *", "frame_ancestors must be origins"),
        ("INFORM_LOG_FORMAT", "xml", "log_format must be text or json; got 'xml'"),
        ("INFORM_SHUTDOWN_S", "nan", r"shutdown_s must be in \[0, 3600\); got nan"),
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


def test_a_password_is_not_shown_and_an_agent_cannot_be_asked_for_one():
    assert "secret" not in repr(ServeConfig(auth="ann:secret"))
    assert ServeConfig.from_env({"INFORM_AUTH": "ann:se:cret"}).auth == "ann:se:cret"
    with pytest.raises(ConfigError, match="expected mcp or auth, got both"):
        ServeConfig(auth="ann:secret", mcp=True)
    with pytest.raises(ConfigError) as caught:
        ServeConfig(auth="secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "environment", "expected"),
    [
        ({}, {}, False),
        ({"host": "localhost"}, {}, False),
        ({"host": "0.0.0.0"}, {}, True),
        ({}, {"GRADIO_SERVER_NAME": "0.0.0.0"}, True),
        ({}, {"SPACE_ID": "someone/demo"}, True),
        ({"trusted_proxies": "127.0.0.1"}, {}, True),
    ],
)
def test_what_others_can_reach_is_public(monkeypatch, settings, environment, expected):
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ServeConfig(**settings).is_public is expected

"""What a host reads: the README's front matter for Spaces, and the settings that the documents name."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from inform_demo.config import INFORM_70B, ModelConfig, ServeConfig

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FRONT = yaml.safe_load(README.split("---\n")[1])

# https://huggingface.co/docs/hub/spaces-config-reference
KEYS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "python_version", "sdk_version", "suggested_hardware"),
    *("suggested_storage", "app_file", "app_build_command", "app_port", "base_path", "fullWidth", "header"),
    *("short_description", "models", "datasets", "tags", "thumbnail", "pinned", "license", "hf_oauth"),
    *("hf_oauth_scopes", "hf_oauth_expiration_minutes", "hf_oauth_authorized_org", "disable_embedding"),
    *("startup_duration_timeout", "custom_headers", "preload_from_hub"),
}
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_front_matter_has_documented_keys_and_values():
    assert README.startswith("---\n")
    assert set(FRONT) <= KEYS
    assert FRONT["sdk"] == "gradio"
    assert {FRONT["colorFrom"], FRONT["colorTo"]} <= COLOURS
    assert (ROOT / FRONT["app_file"]).is_file()
    assert len(FRONT["short_description"]) <= 60
    assert re.fullmatch(r"\d+(m|h)", FRONT["startup_duration_timeout"])
    assert FRONT["license"] == PROJECT["license"].lower()
    assert FRONT["models"] == [INFORM_70B]


def test_the_spaces_versions_are_those_that_are_required():
    (gradio,) = [each for each in map(Requirement, PROJECT["dependencies"]) if each.name == "gradio"]
    assert gradio.specifier.contains(FRONT["sdk_version"])
    (lowest,) = [part.version for part in gradio.specifier if part.operator == ">="]
    assert SpecifierSet(f"=={lowest}.*").contains(FRONT["sdk_version"])
    assert SpecifierSet(PROJECT["requires-python"]).contains(FRONT["python_version"])


SETTINGS = {f"INFORM_{field.name.upper()}" for cls in (ModelConfig, ServeConfig) for field in dataclasses.fields(cls)}


def test_the_readme_lists_every_setting_once():
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `INFORM_")]
    named = [name for row in rows for name in re.findall(r"INFORM_[A-Z_]+", row)]
    assert sorted(named) == sorted(SETTINGS)


@pytest.mark.parametrize("document", ["docs/hosting.md", "SECURITY.md"])
def test_a_document_names_only_settings_and_files_that_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert set(re.findall(r"INFORM_[A-Z_]+", text)) <= SETTINGS
    for path in re.findall(r"`((?:tests|inform_demo|docs)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path


def test_every_test_that_the_security_list_names_is_there():
    listed = re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    defined = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert len(listed) > 15
    assert set(listed) <= defined

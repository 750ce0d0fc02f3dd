"""What is promised in more than one place is the same in all of them."""

from __future__ import annotations

import ast
import inspect
import json
import re
import tomllib
from pathlib import Path

import pytest

import inform_demo
from inform_demo import errors
from inform_demo.cli import build_parser
from inform_demo.config import EMBEDDED_MODEL
from inform_demo.recipe.evaluation_report import render_markdown
from inform_demo.recipe.results import evaluation_from_dict

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_requirements_are_the_dependencies():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == sorted(PROJECT["dependencies"])


def test_the_version_is_one():
    assert inform_demo.__version__ == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_public_names_are_sorted_and_exist():
    assert inform_demo.__all__ == sorted(inform_demo.__all__)
    for name in inform_demo.__all__:
        assert getattr(inform_demo, name) is not None


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    """Names and depths, in order of definition."""
    drawn = re.findall(r"^ {4}((?:\| {3}| {4})*(?:\+-- )?)(\w+)", inspect.getdoc(errors) or "", flags=re.MULTILINE)
    names = [name for _, name in drawn if name.endswith("Error")]
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert names == defined
    for indent, name in drawn:
        if name.endswith("Error"):
            depth = len(getattr(errors, name).__mro__) - len(errors.InformError.__mro__)
            assert len(indent) // 4 == depth, name


def test_readme_shows_the_real_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    block = re.search(r"<!-- help -->\n```text\n(.*?)```", README, flags=re.DOTALL)
    assert block
    assert block.group(1) == build_parser().format_help()


def test_readme_and_ci_run_the_same_lines():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("demo", "tests"):
        assert re.search(rf"<!-- {name} -->\n```bash\n[^\n]+\n```", README), f"the README has one line for {name}"
        assert f"readme_line {name}" in script


def test_readme_names_the_fields_of_a_comparison():
    fields = inform_demo.Comparison.__dataclass_fields__
    block = re.search(r"<!-- json -->\n```json\n(.*?)```", README, flags=re.DOTALL)
    assert block
    assert list(json.loads(block.group(1))) == list(fields)


@pytest.mark.parametrize("name", ["app.py", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml"])
def test_no_file_names_a_place_that_only_one_machine_has(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|root|tmp|mnt|Users)/", text)


def test_the_embedded_card_shows_the_recorded_results():
    """The table is what `inform-demo evaluate` printed, and the page of it that people read cannot drift from it."""
    card = (EMBEDDED_MODEL / "README.md").read_text(encoding="utf-8")
    recorded = json.loads((EMBEDDED_MODEL / "results.json").read_text(encoding="utf-8"))
    assert render_markdown(evaluation_from_dict(recorded)) in card

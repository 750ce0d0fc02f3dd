"""The README's examples, run as they stand against a real server; only the address is the test's own."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from inform_demo.cli import build_parser
from inform_demo.config import ModelConfig, ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def url():
    config = ServeConfig(mcp=True)
    demo = build_demo(ScorerSlot(FakeScorer), config)
    yield launch(demo, config, prevent_thread_lock=True, quiet=True)
    demo.close(verbose=False)


def block(name: str, url: str = "") -> str:
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", README, flags=re.DOTALL)
    assert found, name
    return found.group(1).replace("http://127.0.0.1:7860/", url or "http://127.0.0.1:7860/")


def run(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_client_example(url):
    lines = run(sys.executable, "-c", block("client", url))[-4:]
    assert lines[0] == "tie"
    assert lines[1] in {"0", "1", "2"}
    assert ast.literal_eval(lines[2])[-1] == pytest.approx(-0.7)
    assert isinstance(ast.literal_eval(lines[3]), dict)


def test_the_curl_example(url):
    lines = run("bash", "-c", block("curl", url))
    (data,) = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert json.loads(data)[0]["preferred"] == "tie"


def test_the_agent_example(url):
    (server,) = json.loads(block("mcp", url))["mcpServers"].values()

    async def ask():
        async with streamable_http_client(server["url"]) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return (await session.list_tools()).tools

    assert any(tool.name.endswith("compare") for tool in asyncio.run(ask()))


def test_the_python_example():
    assert run(sys.executable, "-c", block("python"))[-1] in {"a", "b", "tie"}


def commands_of(document: Path) -> list[list[str]]:
    blocks = re.findall(r"^```bash\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines]
    names = ("inform-demo", "inform_demo")
    return [words[words.index(name) + 1 :] for words in split for name in names if name in words]


@pytest.mark.parametrize("document", ["docs/recipe.md", "docs/gpu.md", "inform_demo/embedded/README.md"])
def test_every_command_of_a_document_is_one(document):
    commands = commands_of(ROOT / document)
    assert len(commands) > 3
    for words in commands:
        build_parser().parse_args(words)


def test_every_setting_of_the_table_is_one(capsys):
    rows = re.findall(r"^\| (`INFORM_.*?) \| (.*?) \|", README, re.MULTILINE)
    assert len(rows) > 10
    with pytest.raises(SystemExit):
        build_parser().parse_args(["serve", "--help"])
    served = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    fields = {f"INFORM_{field.name.upper()}" for cls in (ModelConfig, ServeConfig) for field in dataclasses.fields(cls)}
    for variables, options in rows:
        assert set(re.findall(r"`(INFORM_\w+)`", variables)) <= fields
        assert set(re.findall(r"`(--[\w-]+)`", options)) <= served
    assert fields == {name for variables, _ in rows for name in re.findall(r"`(INFORM_\w+)`", variables)}


def test_the_first_picture_is_there():
    alt, path = re.search(r"!\[(.*?)\]\((.*?)\)", README).groups()
    assert len(alt) > 40
    with Image.open(ROOT / path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000


@pytest.mark.browser
@pytest.mark.slow
def test_the_picture_can_be_taken_again(tmp_path):
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium")
    run(sys.executable, str(ROOT / "docs" / "make_screenshot.py"), f"--to={tmp_path / 'again.png'}")
    with Image.open(tmp_path / "again.png") as picture, Image.open(ROOT / "docs" / "compare.png") as kept:
        assert picture.width == kept.width

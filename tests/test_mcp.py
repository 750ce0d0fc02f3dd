"""The page's API as tools of the Model Context Protocol, through the protocol's own client."""

from __future__ import annotations

import ast
import asyncio

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer


@pytest.fixture(scope="module")
def scorer():
    return FakeScorer()


@pytest.fixture(scope="module")
def url(scorer):
    config = ServeConfig(mcp=True)
    demo = build_demo(ScorerSlot(lambda: scorer), config)
    yield launch(demo, config, prevent_thread_lock=True, quiet=True)
    demo.close(verbose=False)


def with_session(url, ask):
    async def run():
        async with (
            streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return asyncio.run(run())


def test_the_tools_are_the_api_and_describe_their_parameters(url):
    tools = {tool.name: tool for tool in with_session(url, lambda session: session.list_tools()).tools}
    assert {name.split("_")[-1] for name in tools} == {"compare", "trace", "rank", "batch"}
    (compare,) = (tool for name, tool in tools.items() if name.endswith("compare"))
    assert "which of two answers" in compare.description
    properties = compare.inputSchema["properties"]
    assert properties["prompt"]["type"] == "string"
    assert properties["prompt"]["description"] == "what was asked."


def test_an_agent_compares_through_the_queue_and_gets_the_json_object(url, scorer):
    async def ask(session):
        (name,) = [tool.name for tool in (await session.list_tools()).tools if tool.name.endswith("compare")]
        arguments = {"prompt": "which?", "response_a": "one two three", "response_b": "one"}
        return await session.call_tool(name, arguments)

    result = with_session(url, ask)
    assert not result.isError
    # Gradio writes a tool's result as a Python literal.
    assert ast.literal_eval(result.content[0].text) == scorer.compare("which?", "one two three", "one").to_dict()


PAIR = {"prompt": "which?", "response_a": "one two three four five six", "response_b": "one"}


@pytest.mark.parametrize(
    ("name", "arguments", "found"),
    [
        ("trace", PAIR, lambda answer: answer["trace_a"]["pieces"] != [] and answer["comparison"]["preferred"] == "a"),
        ("rank", {"prompt": "which?", "responses": ["one", "one two"]}, lambda answer: answer["answers"][0]["index"]),
        ("batch", {"pairs": [{**PAIR, "label": "a"}]}, lambda answer: answer["summary"]["n_right"] == 1),
    ],
)
def test_an_agent_uses_every_other_tool(url, name, arguments, found):
    async def ask(session):
        (tool,) = [tool.name for tool in (await session.list_tools()).tools if tool.name.endswith(name)]
        return await session.call_tool(tool, arguments)

    result = with_session(url, ask)
    assert not result.isError, result.content
    assert found(ast.literal_eval(result.content[0].text))


def test_an_agent_is_told_what_was_wrong(url):
    async def ask(session):
        (name,) = [tool.name for tool in (await session.list_tools()).tools if tool.name.endswith("compare")]
        return await session.call_tool(name, {"prompt": "which?", "response_a": " ", "response_b": "one"})

    result = with_session(url, ask)
    assert result.isError
    assert "Answer A is empty" in result.content[0].text


def test_without_the_switch_there_is_no_mcp():
    demo = build_demo(ScorerSlot(FakeScorer), ServeConfig())
    address = launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    assert httpx.post(f"{address}gradio_api/mcp/", json={}).status_code == 404
    demo.close(verbose=False)

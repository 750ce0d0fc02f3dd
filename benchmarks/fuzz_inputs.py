"""Anything at all, into every parser that a stranger's bytes reach: each gives a value or a named fault, and soon.

    python benchmarks/fuzz_inputs.py [--kind parsers] [--inputs 100000]
    python benchmarks/fuzz_inputs.py --kind share-links --inputs 10000

The parsers of pasted conversations, of batch files and of API messages; the depth of JSON and the routes of the gate.
Share links are read in the browser only, and need Chromium. Inputs are Hypothesis' own and damaged valid ones.
Runs of 1,000 and more are written to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from common import Report, command_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inform_demo.batch_files import ENDINGS, read_table
from inform_demo.errors import InformError
from inform_demo.types import parse_messages
from inform_demo.ui.handlers import parse_conversation
from inform_demo.ui.texts import ENGLISH
from inform_demo.web.bodies import json_depth
from inform_demo.web.routes import is_served, kind_of

# One input may take this long; a hang is a failure.
MOST_S = 5.0

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": st.text()}),
    max_size=8,
)
MESSAGES = st.one_of(JSON, TURNS)
# More digits than Python turns into a number by default.
HUGE = st.integers(4000, 5000).map(lambda n: "[" + "9" * n + "]")
CUT = st.one_of(st.builds(lambda value, i: json.dumps(value)[: i or None], MESSAGES, st.integers(-20, 0)), HUGE)
CSV = st.builds(
    lambda rows: "prompt,response_a,response_b\n" + "\n".join(rows),
    st.lists(st.text(alphabet=st.sampled_from('a,"\n\r\0;=é')), max_size=6),
)
FILES = st.one_of(st.binary(), CUT.map(str.encode), CSV.map(str.encode), st.text().map(lambda s: s.encode("utf-16")))


def _either(call: Callable[..., Any], *given_values: Any) -> None:
    """A value, or a fault with a name."""
    began = time.monotonic()
    try:
        call(*given_values)
    except InformError as error:
        assert str(error)  # noqa: PT017 - no test: any value is right as well
    assert time.monotonic() - began < MOST_S, "took too long"


def conversation(text: str) -> None:
    """What a visitor pastes."""
    _either(parse_conversation, text, ENGLISH)


def messages(value: object) -> None:
    """What a program sends as earlier turns."""
    _either(parse_messages, value)


def file(data: bytes, ending: str) -> None:
    """What is uploaded."""
    _either(read_table, data, f"file{ending}")


def body(data: bytes) -> None:
    """What the gate counts the brackets of."""
    assert json_depth(data) >= 0


def path(text: str) -> None:
    """What the gate looks up."""
    served = is_served(text, mcp=True)
    assert not (served and ".." in text.replace("\\", "/").split("/"))
    kind_of("POST", text)


TARGETS: dict[str, tuple[Callable[..., None], tuple[st.SearchStrategy[Any], ...]]] = {
    "conversation": (conversation, (st.one_of(st.text(), CUT),)),
    "messages": (messages, (MESSAGES,)),
    "file": (file, (FILES, st.sampled_from(ENDINGS))),
    "body": (body, (FILES.map(lambda data: data * 100),)),
    "path": (path, (st.text().map(lambda text: f"/gradio_api/file={text}") | st.text(),)),
}


def run_many(name: str, strategy: st.SearchStrategy[Any], target: Callable[..., None], n_inputs: int) -> str:
    """Give a target so many inputs, and say how it went; a failure ends with Hypothesis' smallest example."""
    n_run = 0

    @settings(max_examples=n_inputs, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(values: tuple[Any, ...]) -> None:
        nonlocal n_run
        n_run += 1
        target(*values)

    began = time.monotonic()
    run()
    return f"- {name}: {n_run:,} inputs in {time.monotonic() - began:.0f} s, no crash and no hang"


def main() -> None:
    """Run all targets of a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("parsers", "share-links"), default="parsers")
    parser.add_argument("--inputs", type=int, default=100_000)
    options = parser.parse_args()
    report = Report(f"fuzz {options.kind}", "Fuzzing: inputs without a crash or a hang", is_trial=options.inputs < 1000)
    report.add(command_line(), "")
    if options.kind == "share-links":
        from fuzz_links import LINKS, link_checker

        with link_checker() as check:
            report.add(run_many("share links", LINKS, check, options.inputs))
        return
    for name, (target, strategies) in TARGETS.items():
        report.add(run_many(name, st.tuples(*strategies), target, max(1, options.inputs // len(TARGETS))))


if __name__ == "__main__":
    main()

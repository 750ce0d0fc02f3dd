"""Anything at all, into every parser that a stranger's bytes reach: each gives a value or a named fault, and soon.

    python benchmarks/fuzz_inputs.py [--kind parsers] [--inputs 100000]
    python benchmarks/fuzz_inputs.py --kind share-links --inputs 10000

The parsers of pasted conversations, of batch files (read, shown and parsed row by row, as an upload is) and of API
messages; the depth of JSON and the routes of the gate.
Share links are read in the browser only, and need Chromium. Inputs are Hypothesis' own and damaged valid ones.
Runs of 1,000 and more are written to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from common import Report, command_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from inform_demo.batch_files import ENDINGS, Columns, Table, guess_columns, parse_pair, read_table
from inform_demo.batch_parquet import unpack_parquet
from inform_demo.errors import InformError
from inform_demo.types import parse_messages
from inform_demo.ui.batch_view import preview_rows
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
JSONL = st.lists(st.fixed_dictionaries(dict.fromkeys(("prompt", "a", "b"), MESSAGES)), min_size=1, max_size=3).map(
    lambda rows: "\n".join(map(json.dumps, rows))
)
CSV = st.builds(
    lambda rows: "prompt,response_a,response_b\n" + "\n".join(rows),
    st.lists(st.text(alphabet=st.sampled_from('a,"\n\r\0;=é')), max_size=6),
)
TEXTS = st.one_of(st.binary(), CUT.map(str.encode), CSV.map(str.encode), st.text().map(lambda s: s.encode("utf-16")))


def _parquet(compression: str) -> bytes:
    """A small file of pairs as people have them: texts, turns, labels, nothing."""
    turns = [[{"role": "user", "content": "Name a prime."}], [], None]
    columns = {"prompt": turns, "chosen": ["7", None, "é"], "rejected": ["8", "8", ""], "label": [0, 1, None]}
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, compression=compression)
    return out.getvalue()


def _damaged(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    damaged = bytearray(data)
    for where, value in changes:
        damaged[int(where * len(data))] = value
    return bytes(damaged)


PARQUET = st.builds(
    _damaged,
    st.sampled_from([_parquet("none"), _parquet("snappy"), _parquet("zstd")]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
)
FILES = st.one_of(
    st.tuples(TEXTS, st.sampled_from(ENDINGS)),
    st.tuples(JSONL.map(str.encode), st.just(".jsonl")),
    st.tuples(PARQUET, st.just(".parquet")),
)


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


def _upload(data: bytes, ending: str) -> None:
    if ending == ".parquet":  # in this process: a new one for each would take hours
        rows = tuple(unpack_parquet(data, "file"))
        table = Table(tuple(dict.fromkeys(column for row in rows for column in row)), rows)
    else:
        table = read_table(data, f"file{ending}")
    if not table.columns:
        return
    preview_rows(table)
    columns = guess_columns(table.columns) or Columns(None, table.columns[0], table.columns[-1])
    for row in table.rows:
        _either(parse_pair, row, columns)


def file(upload: tuple[bytes, str]) -> None:
    """What is uploaded: read, shown, and each row parsed."""
    _either(_upload, *upload)


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
    "file": (file, (FILES,)),
    "body": (body, (TEXTS.map(lambda data: data * 100),)),
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

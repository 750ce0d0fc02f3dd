"""Files of pairs: read as they were written, or refused by name and line, whatever their bytes are."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from inform_demo import batch_parquet
from inform_demo.batch_files import (
    LABEL_IS_A,
    MOST_BYTES,
    MOST_COLUMNS,
    MOST_ROWS,
    Columns,
    Table,
    guess_columns,
    parse_pair,
    read_table,
)
from inform_demo.batch_parquet import unpack_parquet
from inform_demo.errors import DataError, InputError

COLUMNS = Columns("prompt", "a", "b", "label")
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
names = st.lists(cells.filter(str.strip), min_size=1, max_size=4, unique=True)
tables = names.flatmap(
    lambda columns: st.lists(st.fixed_dictionaries(dict.fromkeys(columns, cells)), min_size=1, max_size=5)
)


def as_csv(rows) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_jsonl(rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet(rows) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(rows).to_parquet(out)
    return out.getvalue()


def read_here(data, name):
    """As `read_table`, with Parquet in this process: another one for each example would take minutes."""
    if not name.endswith(".parquet"):
        return read_table(data, name)
    rows = tuple(unpack_parquet(data, name))
    return Table(tuple(rows[0]) if rows else (), rows or ("file.parquet: has no rows",))


@settings(max_examples=60, deadline=None)
@given(tables)
@pytest.mark.parametrize(("write", "ending"), [(as_csv, "csv"), (as_jsonl, "jsonl"), (as_parquet, "parquet")])
def test_any_table_is_read_as_it_was_written(write, ending, rows):
    table = read_here(write(rows), f"file.{ending}")
    assert [dict(row) for row in table.rows] == rows
    assert table.columns == tuple(rows[0])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["csv", "jsonl", "parquet", "CSV", "exe", ""]))
def test_any_bytes_are_rows_or_a_named_fault(data, ending):
    try:
        rows = read_here(data, f"file.{ending}").rows
    except DataError as error:
        rows = (str(error),)
    assert rows
    assert all(isinstance(row, dict) or row.startswith("file.") for row in rows)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("f.csv", b"a,b\n1,2\n1\n", "f.csv, line 3: expected 2 cells as in the header; got 1"),
        ("f.csv", b"a,a\n1,2\n", "two columns have the same name"),
        ("f.csv", b'a,b\n"open', "is not CSV"),
        ("f.csv", b"a,b\n\xff,1\n", "f.csv, line 2: is not UTF-8"),
        ("f.csv", b"a,b\n", "has no rows"),
        ("f.jsonl", b'{"a": 1}\n{"a": \n', "f.jsonl, line 2: is not JSON"),
        ("f.jsonl", b"[1]\n", "f.jsonl, line 1: expected a JSON object in each line; got list"),
        ("f.jsonl", b"[" * 200_000, "f.jsonl, line 1: is nested deeper than 64 levels"),
        ("f.jsonl", b'{"a": ' + b"9" * 5_000 + b"}", "f.jsonl, line 1: is not JSON that can be read: ValueError"),
        ("f.jsonl", b'{"\\ud800": 1}\n', "the name of a column is not valid Unicode"),
        ("f.parquet", b"PAR1 no", "is not Parquet that can be read"),
        ("f.txt", b"a", "expected a file that ends in .csv, .jsonl or .parquet"),
        ("f.csv", b"a\n" * (MOST_ROWS + 2), "has more than 2,000 rows"),
        ("f.jsonl", b'{"a":1}\n' * (MOST_ROWS + 1), "has more than 2,000 rows"),
        ("f.csv", b"x" * (MOST_BYTES + 1), "has 20,000,001 bytes; the limit is 20,000,000"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(name, data, words):
    with pytest.raises(DataError) as caught:
        read_table(data, name)
    assert words in str(caught.value)


def test_parquet_that_unpacks_to_too_much_is_refused_by_its_footer(monkeypatch):
    monkeypatch.setattr(batch_parquet, "MOST_BYTES", 20_000)
    out = io.BytesIO()
    pd.DataFrame([{"a": "x" * 1_000_000}]).to_parquet(
        out,
        compression="zstd",
        column_encoding={"a": "PLAIN"},
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    bomb = out.getvalue()
    assert len(bomb) < 20_000
    with pytest.raises(DataError, match="unpacks to"):
        unpack_parquet(bomb, "f.parquet")
    with pytest.raises(DataError, match="more than 2,000 rows"):
        read_table(as_parquet([{"a": 1}] * (MOST_ROWS + 1)), "f.parquet")


TEXT = "x" * 900_000
BOMBS = {
    "equal texts": pa.table({"a": [TEXT] * 2_000}),
    "equal texts in lists": pa.table({"a": [[{"role": "user", "content": TEXT}] * 300]}),
    "equal texts in a map": pa.table({"a": pa.array([[("k", TEXT)] * 300], pa.map_(pa.string(), pa.string()))}),
    "equal bytes": pa.table({"a": pa.array([TEXT.encode()] * 2_000, pa.binary(len(TEXT)))}),
    "a category": pa.table({"a": pa.array([TEXT] * 2_000).dictionary_encode()}),
    "nothing, very often": pa.table({"a": pa.array([[None] * 5_000_000], pa.list_(pa.int8()))}),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_parquet_in_which_little_stands_for_much_is_refused_before_it_is_unpacked(kind):
    out = io.BytesIO()
    parquet.write_table(BOMBS[kind], out)
    assert len(out.getvalue()) < 100_000
    with pytest.raises(DataError, match=r"^f.parquet: unpacks to [\d,]+ bytes; the limit is 200,000,000.$"):
        read_table(out.getvalue(), "f.parquet")


@pytest.mark.parametrize("cell", ["[[]]", "{}", '{"": 0}', '"ab"'])
def test_jsonl_in_which_little_stands_for_much_is_refused_before_it_is_parsed(cell, monkeypatch):
    lines = [json.dumps({"a": "x"}), f'{{"a": [{",".join([cell] * 100_000)}]}}']
    data = "\n".join([*lines, *lines[1:] * (19_900_000 // len(lines[1]) - 1)]).encode()
    parsed = []
    monkeypatch.setattr(json, "loads", lambda line: parsed.append(len(line)) or {})
    with pytest.raises(DataError, match=r"^f.jsonl, line \d+: unpacks to more than 200,000,000 bytes.$"):
        read_table(data, "f.jsonl")
    assert sum(parsed) < len(data)


def test_jsonl_that_is_large_by_its_texts_or_has_many_turns_is_read():
    text = json.dumps('[{"a": 1}, ' * 8 + "\\" * 10)
    turns = ", ".join([f'{{"role": "user", "content": {text}}}'] * 60)
    line = f'{{"prompt": [{turns}], "a": "x", "b": "y"}}\n'
    n_rows = min(MOST_ROWS, MOST_BYTES // len(line))
    table = read_table(line.encode() * n_rows, "f.jsonl")
    assert len(table.rows) == n_rows > 1_900
    wide = json.dumps({f"c{i}": "" for i in range(MOST_COLUMNS)})
    assert len(read_table(f"{wide}\n".encode() * MOST_ROWS, "f.jsonl").rows) == MOST_ROWS


def test_parquet_with_any_kind_of_column_is_read_as_it_was_written():
    columns = {
        "texts": ["x", None, "x"],
        "category": pa.array(["u", "v", "u"]).dictionary_encode(),
        "turns": [[{"role": "user", "content": "é"}], [], None],
        "map": pa.array([[("k", "v")], [], None], pa.map_(pa.string(), pa.string())),
        "pairs": pa.array([["a", "b"]] * 3, pa.list_(pa.string(), 2)),
        "bytes": [b"1", None, b""],
        "numbers": [1, 2, None],
        "nothing": pa.nulls(3),
        "day": [dt.date(2026, 1, 2)] * 3,
    }
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    expected = pa.table(columns).to_pylist()
    assert unpack_parquet(out.getvalue(), "f.parquet") == expected
    # Through the other process, dates are text, and bytes are nothing that could be scored as text.
    expected[0] |= {"map": [["k", "v"]], "bytes": {"bytes": 1}}
    expected[2] |= {"bytes": {"bytes": 0}}
    assert [dict(row) for row in read_table(out.getvalue(), "f.parquet").rows] == [
        {**row, "day": str(row["day"])} for row in expected
    ]


@pytest.mark.parametrize("does", ["kill -ABRT $$", "exec sleep 60", "exit 1"])
def test_a_file_that_ends_its_reader_or_never_ends_is_a_named_fault(does, monkeypatch, tmp_path):
    """As damaged files did in the process that reads them."""
    reader = tmp_path / "reader"
    reader.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    reader.chmod(0o755)
    monkeypatch.setattr(batch_parquet.sys, "executable", str(reader))
    monkeypatch.setattr(batch_parquet, "_PATIENCE_S", 2)
    with pytest.raises(DataError, match=r"^f\.parquet: is not Parquet that can be read\.$"):
        read_table(as_parquet([{"a": "x"}]), "f.parquet")


def test_the_reader_of_parquet_gets_no_more_memory_than_it_may():
    out = io.BytesIO()
    parquet.write_table(pa.table({"a": [f"{i}{'x' * 3_000_000}" for i in range(60)]}), out, compression="zstd")
    read = "from inform_demo import batch_parquet as b; b._MOST_MEMORY_BYTES = {}; b._serve()"
    for limit, is_read in ((600_000_000, False), (2 * 2**30, True)):
        done = subprocess.run(
            [sys.executable, "-c", read.format(limit)], input=out.getvalue(), capture_output=True, check=False
        )
        assert (done.returncode == 0 and done.stdout.startswith(b"[{")) is is_read, limit


@pytest.mark.parametrize(("write", "ending"), [(as_csv, "csv"), (as_jsonl, "jsonl"), (as_parquet, "parquet")])
def test_a_table_with_too_many_columns_is_refused(write, ending):
    row = {f"c{i}": "x" for i in range(MOST_COLUMNS)}
    assert len(read_table(write([row]), f"f.{ending}").columns) == MOST_COLUMNS
    with pytest.raises(DataError, match=f"has {MOST_COLUMNS + 1} columns; the limit is {MOST_COLUMNS}"):
        read_table(write([{**row, "more": "x"}]), f"f.{ending}")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["Prompt", "Response_A", "Response_B", "Winner"], Columns("Prompt", "Response_A", "Response_B", "Winner")),
        (["chosen", "rejected"], Columns(None, "chosen", "rejected", LABEL_IS_A)),
        (["question", "answer_a", "answer_b"], Columns("question", "answer_a", "answer_b")),
        (["x", "y"], None),
    ],
)
def test_columns_are_guessed_by_their_names(columns, expected):
    assert guess_columns(columns) == expected


TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "p"}]


@pytest.mark.parametrize("prompt", [TURNS, json.dumps(TURNS)])
def test_a_prompt_may_be_a_list_of_messages(prompt):
    pair = parse_pair({"prompt": prompt, "a": "one", "b": "two", "label": "B"}, COLUMNS)
    assert [message.content for message in pair.a.messages] == ["Hello", "Hi", "p", "one"]
    assert (pair.b.response, pair.label) == ("two", "b")


def test_answers_may_be_whole_conversations():
    chosen, rejected = ([*TURNS, {"role": "assistant", "content": text}] for text in ("good", "bad"))
    pair = parse_pair({"chosen": chosen, "rejected": rejected}, Columns(None, "chosen", "rejected", LABEL_IS_A))
    assert (pair.a.response, pair.b.response, pair.label) == ("good", "bad", "a")
    with pytest.raises(InputError, match="different prompts"):
        parse_pair({"chosen": chosen, "rejected": rejected[2:]}, Columns(None, "chosen", "rejected"))


@pytest.mark.parametrize(("write", "ending"), [("to_csv", "csv"), ("to_json", "jsonl"), ("to_parquet", "parquet")])
def test_whole_numbers_that_pandas_made_floats_of_are_labels(write, ending):
    """As it does with every column of numbers that has a gap."""
    frame = pd.DataFrame({"prompt": "p", "a": "one", "b": "two", "label": [0, 1, None]})
    assert frame["label"].dtype == float
    out = io.BytesIO()
    options = {"csv": {"index": False}, "jsonl": {"orient": "records", "lines": True}, "parquet": {}}[ending]
    getattr(frame, write)(out, **options)
    rows = read_table(out.getvalue(), f"f.{ending}").rows
    assert [parse_pair(row, COLUMNS).label for row in rows] == ["a", "b", None]


@pytest.mark.parametrize(
    ("label", "due"), [(0.0, "a"), (1, "b"), (" 1.0 ", "b"), ("0.000", "a"), (float("nan"), None), ("", None)]
)
def test_a_label_may_be_written_as_a_whole_number_of_any_kind(label, due):
    assert parse_pair({"prompt": "p", "a": "x", "b": "y", "label": label}, COLUMNS).label == due


@pytest.mark.parametrize("label", [0.5, 2.0, 10.0, -1.0, "1.0.0", "1.", "0.01", True, "nan", float("inf")])
def test_another_number_is_no_label(label):
    with pytest.raises(InputError, match=r"must be a, b, tie, 0 \(A\) or 1 \(B\)"):
        parse_pair({"prompt": "p", "a": "x", "b": "y", "label": label}, COLUMNS)

"""Tables of pairs from CSV, JSONL and Parquet files, and what their columns mean.

Bounds come first: a file is measured before it is decoded, and rows are counted before they are kept. Knows bytes,
columns and conversations; knows no scorer and no page.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inform_demo.batch_parquet import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, check_columns, check_rows, read_parquet
from inform_demo.errors import DataError, InputError
from inform_demo.json_bounds import measure_json
from inform_demo.types import Conversation, Message, Preferred, parse_messages

__all__ = [
    "ENDINGS",
    "LABEL_IS_A",
    "MOST_BYTES",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "Columns",
    "Pair",
    "Table",
    "guess_columns",
    "parse_pair",
    "read_table",
]

ENDINGS = (".csv", ".jsonl", ".parquet")

# A cell longer than this has more tokens than any limit lets through.
MOST_CELL_CHARACTERS = 1_000_000

# JSON of brackets alone takes 35 times its bytes once parsed. It may unpack to as much as Parquet; in a row that can be
# scored, the turns of a conversation are the third level.
_MOST_UNPACKED_BYTES = 10 * MOST_BYTES
_PART_BYTES = 50
_MOST_DEPTH = 64

# Column names that other people's files have, most telling first.
_GUESSES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "messages", "instruction", "question", "input", "conversation", "query"),
    "response_a": ("response_a", "answer_a", "output_text_a", "a", "chosen", "response_1", "output_1", "response1"),
    "response_b": ("response_b", "answer_b", "output_text_b", "b", "rejected", "response_2", "output_2", "response2"),
    "label": ("label", "preferred", "preference", "winner"),
}

# Stands for a label column where the columns themselves say that the first answer is the better one.
LABEL_IS_A = "(A is better)"

_LABELS: dict[str, Preferred] = {
    **dict.fromkeys(("a", "answer_a", "response_a", "model_a", "0", "chosen"), "a"),
    **dict.fromkeys(("b", "answer_b", "response_b", "model_b", "1", "rejected"), "b"),
    **dict.fromkeys(("tie", "equal", "same", "tie (bothbad)", "both"), "tie"),
}

# What pandas makes of whole numbers in a column with a gap.
_WHOLE = re.compile(r"^([01])\.0+$")


@dataclass(frozen=True)
class Table:
    """Rows of a file by column name; cells are text, numbers, lists, or None where there is nothing."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Columns:
    """Which column holds what.

    Attributes:
        prompt: text or a list of messages; None where both answers are whole conversations.
        label: which answer is better, as a, b, tie, 0 (A) or 1 (B); None for no label; LABEL_IS_A for always A.
    """

    prompt: str | None
    response_a: str
    response_b: str
    label: str | None = None


@dataclass(frozen=True)
class Pair:
    """One row, ready to be scored."""

    a: Conversation
    b: Conversation
    label: Preferred | None


def read_table(data: bytes, name: str) -> Table:
    """The rows of a file whose name ends in .csv, .jsonl or .parquet.

    Raises:
        DataError: another ending, too many bytes, rows or columns, or not what its ending says; names the line if there
            is one.
    """
    if len(data) > MOST_BYTES:
        raise DataError(f"has {len(data):,} bytes; the limit is {MOST_BYTES:,}", name)
    readers = dict(zip(ENDINGS, (_read_csv, _read_jsonl, read_parquet), strict=True))
    reader = next((read for ending, read in readers.items() if name.lower().endswith(ending)), None)
    if reader is None:
        raise DataError("expected a file that ends in .csv, .jsonl or .parquet", name)
    rows = reader(data, name)
    if not rows:
        raise DataError("has no rows", name)
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    check_columns(len(columns), name)
    if any("\ud800" <= letter <= "\udfff" for column in columns for letter in column):
        raise DataError("the name of a column is not valid Unicode: it holds half a surrogate pair", name)
    return Table(columns, tuple(rows))


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"is not UTF-8: {error.reason} at byte {error.start:,}", name, line) from None


def _read_csv(data: bytes, name: str) -> list[dict[str, Any]]:
    csv.field_size_limit(MOST_BYTES)
    reader = csv.reader(io.StringIO(_decode(data, name), newline=""), strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) != len(header):
            raise DataError("two columns have the same name", name, 1)
        rows: list[dict[str, Any]] = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"expected {len(header)} cells as in the header; got {len(cells)}", name, reader.line_num
                )
            rows.append(dict(zip(header, cells, strict=True)))
            check_rows(len(rows), name)
    except csv.Error as error:
        raise DataError(f"is not CSV: {error}", name, reader.line_num) from None
    return rows


def _read_jsonl(data: bytes, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    left = (_MOST_UNPACKED_BYTES - len(data)) // _PART_BYTES
    for number, line in enumerate(_decode(data, name).split("\n"), 1):
        if not line.strip():
            continue
        n_parts, depth = measure_json(line.encode(), left, _MOST_DEPTH)
        if depth > _MOST_DEPTH:
            raise DataError(f"is nested deeper than {_MOST_DEPTH} levels", name, number)
        left -= n_parts
        if left < 0:
            raise DataError(f"unpacks to more than {_MOST_UNPACKED_BYTES:,} bytes", name, number)
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"is not JSON: {error.msg} at character {error.pos + 1}", name, number) from None
        except ValueError as error:
            raise DataError(f"is not JSON that can be read: {type(error).__name__}", name, number) from None
        if not isinstance(row, dict):
            raise DataError(f"expected a JSON object in each line; got {type(row).__name__}", name, number)
        rows.append(row)
        check_rows(len(rows), name)
    return rows


def guess_columns(names: Sequence[str]) -> Columns | None:
    """What the columns mean by their names; None where the two answers are not to be told."""
    by_name = {name.strip().lower(): name for name in names}
    found = {
        field: next((by_name[guess] for guess in guesses if guess in by_name), None)
        for field, guesses in _GUESSES.items()
    }
    response_a, response_b = found["response_a"], found["response_b"]
    if response_a is None or response_b is None:
        return None
    label = found["label"]
    if label is None and (response_a.lower(), response_b.lower()) == ("chosen", "rejected"):
        label = LABEL_IS_A
    return Columns(found["prompt"], response_a, response_b, label)


def _cell(row: Mapping[str, Any], column: str) -> Any:
    value = row.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputError(f"{column} is empty.")
    if isinstance(value, str | list):
        return value
    raise InputError(f"{column} must be text or a list of messages; got {type(value).__name__}.")


def _messages(value: str | list[Any], role: str) -> tuple[Message, ...]:
    """Messages from a cell: a list of them, the same as JSON text, or plain text in a role."""
    if isinstance(value, list):
        return parse_messages(value)
    if value.lstrip().startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list) and parsed and all(isinstance(item, dict) and "role" in item for item in parsed):
            return parse_messages(parsed)
    return (Message("user" if role == "user" else "assistant", value),)


def _turns(row: Mapping[str, Any], column: str, role: str) -> tuple[Message, ...]:
    turns = _messages(_cell(row, column), role)
    n_characters = sum(len(turn.content) for turn in turns)
    if n_characters > MOST_CELL_CHARACTERS:
        raise InputError(f"{column} has {n_characters:,} characters; the limit is {MOST_CELL_CHARACTERS:,}.")
    return turns


def parse_pair(row: Mapping[str, Any], columns: Columns) -> Pair:
    """A row as two conversations with one prompt, and its label.

    Raises:
        InputError: a cell is empty, no text, or of the wrong shape, or the label is none of those known.
    """
    answers = [_turns(row, column, "assistant") for column in (columns.response_a, columns.response_b)]
    prompt = _turns(row, columns.prompt, "user") if columns.prompt else ()
    if columns.prompt and any(len(answer) > 1 for answer in answers):
        prompt = ()  # the answers are whole conversations, which hold the prompt as well
    a, b = (Conversation((*prompt, *answer)) for answer in answers)
    if a.prompt != b.prompt:
        raise InputError("The two answers belong to different prompts.")
    return Pair(a, b, _parse_label(row, columns.label))


def _parse_label(row: Mapping[str, Any], column: str | None) -> Preferred | None:
    if column is None:
        return None
    if column == LABEL_IS_A:
        return "a"
    value = row.get(column)
    if value is None or str(value).strip() == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    label = _LABELS.get(_WHOLE.sub(r"\1", str(value).strip().lower()))
    if label is None:
        raise InputError(f"{column} must be a, b, tie, 0 (A) or 1 (B); got {str(value)[:40]!r}.")
    return label

"""Rows of a Parquet file, by a process that may be lost, and the bounds that every table has.

Knows bytes and Arrow; knows nothing of pairs. As a program it reads the file on stdin and writes rows as JSON.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from inform_demo.errors import DataError

MOST_ROWS = 2_000
MOST_BYTES = 20_000_000
MOST_COLUMNS = 200

# What a value takes in Python besides its text.
_VALUE_BYTES = 50

# The process that reads Parquet: five times what a table may unpack to and what Arrow itself maps; and its time.
_MOST_MEMORY_BYTES = 2 * 2**30
_PATIENCE_S = 20.0
_READING = threading.Lock()


def check_rows(n_rows: int, name: str) -> None:
    """Raise a `DataError` for more rows than a table may have."""
    if n_rows > MOST_ROWS:
        raise DataError(f"has more than {MOST_ROWS:,} rows; split it", name)


def check_columns(n_columns: int, name: str) -> None:
    """Raise a `DataError` for more columns than a table may have."""
    if n_columns > MOST_COLUMNS:
        raise DataError(f"has {n_columns:,} columns; the limit is {MOST_COLUMNS}", name)


def _check_unpacked(n_bytes: int, name: str) -> None:
    if n_bytes > 10 * MOST_BYTES:
        raise DataError(f"unpacks to {n_bytes:,} bytes; the limit is {10 * MOST_BYTES:,}", name)


def read_parquet(data: bytes, name: str) -> list[dict[str, Any]]:
    """Rows from a process of its own, one at a time.

    A few bytes of Parquet can ask for all memory, and damaged ones can end who reads them. What comes back is JSON, so
    dates are text, and bytes are nothing that could be taken for it.
    """
    path = os.pathsep.join((str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])))
    environment = {**os.environ, "PYTHONPATH": path}
    reader = [sys.executable, "-m", "inform_demo.batch_parquet"]
    try:
        with _READING:
            done = subprocess.run(
                reader, input=data, capture_output=True, timeout=_PATIENCE_S, check=True, env=environment
            )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise DataError("is not Parquet that can be read", name) from None
    told = json.loads(done.stdout)
    if isinstance(told, str):
        raise DataError(told, name)
    rows: list[dict[str, Any]] = told
    return rows


def unpack_parquet(data: bytes, name: str) -> list[dict[str, Any]]:
    """Rows of a Parquet file; only for a process that may be lost.

    Raises:
        DataError: too many rows or columns, too large once unpacked, or no Parquet.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        footer = parquet.ParquetFile(io.BytesIO(data)).metadata
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        check_rows(max(footer.num_rows, sum(group.num_rows for group in groups)), name)
        check_columns(footer.num_columns, name)
        columns = [footer.schema.column(i) for i in range(footer.num_columns)]
        # Its own footer says how large its pages are once unpacked, and how long values of a fixed length are.
        pages = sum(group.total_byte_size for group in groups)
        _check_unpacked(pages + footer.num_rows * sum(column.length for column in columns), name)
        # Equal texts stand in a file once. They are read like that, and measured before each gets a copy of its own.
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        table = parquet.ParquetFile(io.BytesIO(data), read_dictionary=texts).read(use_threads=False)
        _check_unpacked(sum(_n_bytes(chunk) for column in table.columns for chunk in column.chunks), name)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (pa.ArrowException, ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
        raise DataError(f"is not Parquet that can be read: {type(error).__name__}", name) from None
    return rows


def _n_bytes(array: Any) -> int:
    """About the bytes that the values of an Arrow array take in Python, at any depth, each by itself."""
    import pyarrow as pa
    from pyarrow import compute

    kind = array.type
    if pa.types.is_struct(kind):
        return sum(_n_bytes(array.field(i)) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _n_bytes(array.keys) + _n_bytes(array.items)
    if pa.types.is_nested(kind):
        return _n_bytes(array.flatten())
    if pa.types.is_dictionary(kind):
        n_text = compute.sum(compute.binary_length(array.dictionary).take(array.indices)).as_py() or 0
    else:
        n_text = array.nbytes
    return int(n_text) + _VALUE_BYTES * len(array)


def _serve() -> None:
    """Rows of the file on stdin as JSON on stdout, or why there are none as a JSON text."""
    with suppress(ImportError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    try:
        told: object = unpack_parquet(sys.stdin.buffer.read(), "")
    except DataError as error:
        told = error.reason
    sys.stdout.write(
        json.dumps(told, default=lambda value: {"bytes": len(value)} if isinstance(value, bytes) else str(value))
    )


if __name__ == "__main__":
    _serve()

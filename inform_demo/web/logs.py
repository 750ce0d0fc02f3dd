"""Logs that a person or a machine can read, with the request each line belongs to and no text of a visitor.

Knows Python's logging and one identifier a request; knows nothing of what is served.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

# Of the request that is being answered; "" outside of any.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_FIT = re.compile(r"[A-Za-z0-9._-]{1,64}")

# What every record has; the rest was given as `extra` and belongs in the line.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "request_id", "taskName"}


def new_request_id(given: str | None = None) -> str:
    """The identifier that a proxy gave, if it can stand in a log, or a new one."""
    return given if given and _FIT.fullmatch(given) else uuid.uuid4().hex[:16]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, and whatever was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A line for a person; ends with the request it belongs to.

    Only a record begins at the margin, and what cannot be printed is spelled out: a path or a message that holds line
    breaks or escape sequences, because a client sent them, can be taken for no other record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        told = "".join(f" {name}={_printable(str(value))}" for name, value in given.items())
        request_id = REQUEST_ID.get()
        lines = "\n  ".join(_printable(line) for line in super().format(record).split("\n"))
        return f"{lines}{told}{f' request_id={request_id}' if request_id else ''}"


def _printable(text: str) -> str:
    """The text with whatever is no character to be seen, line breaks included, as Python would write it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def configure_logging(log_format: str, level: int = logging.INFO) -> None:
    """Give the process one handler on stderr, in "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if log_format == "json" else TextFormatter("%(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)

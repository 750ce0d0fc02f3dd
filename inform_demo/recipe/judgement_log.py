"""The append-only log of what judges replied: one JSON line an outcome, on disk before the next one is looked at.

Failures are logged for what they cost and are asked again by the next run; judgements are kept for good. Knows one
file; asks nobody.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from inform_demo.errors import DataError
from inform_demo.recipe.annotation import (
    STRENGTHS,
    TEMPLATE_VERSION,
    WINNERS,
    Failure,
    Judgement,
    Outcome,
    Question,
    Usage,
)

logger = logging.getLogger(__name__)


class JudgementLog:
    """What one judge has said so far, by a question's key; other judges may share the file.

    Attributes:
        judgements: by key, of this judge.
        usage: what asking took, in this run and earlier ones, whoever was asked: another judge has no budget of its
            own.

    Raises:
        DataError: a line is no outcome. A last line without its end is what a killed run leaves: it is dropped.
    """

    def __init__(self, path: Path, judge: str) -> None:
        self.path = path
        self.judgements: dict[str, Judgement] = {}
        self.usage = Usage()
        self._judge = judge
        self._n_bytes = 0
        self._is_torn = False
        self._file: BinaryIO | None = None
        if path.exists():
            self._read()

    @contextmanager
    def appending(self) -> Iterator[None]:
        """While outcomes are added. Cuts a torn last line off first."""
        # Unbuffered: each line is one write, which a killed process cannot take back.
        with self.path.open("ab", buffering=0) as self._file:
            if self._is_torn:  # only then, or what another run has added since would go
                self._file.truncate(self._n_bytes)
            yield

    def add(self, question: Question, outcome: Outcome) -> None:
        """Write an outcome down and count it."""
        assert self._file is not None
        said = asdict(outcome.result)
        if not isinstance(outcome.result, Judgement):
            said = {"failure": said.pop("reason"), **said}
        row = {"key": question.key, "judge": self._judge, "template_version": TEMPLATE_VERSION, "order": question.order}
        self._file.write(json.dumps({**row, **said, **asdict(outcome.spent)}).encode() + b"\n")
        self._count(question.key, self._judge, outcome)

    def _count(self, key: str, judge: str, outcome: Outcome) -> None:
        self.usage += outcome.spent
        if judge == self._judge and isinstance(outcome.result, Judgement):
            self.judgements[key] = outcome.result

    def _read(self) -> None:
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    logger.warning("%s: the last line is torn, as a killed run leaves it; dropped.", self.path)
                    self._is_torn = True
                    return
                self._n_bytes += len(line)
                self._read_line(line, number)

    def _read_line(self, line: bytes, number: int) -> None:
        try:
            row: dict[str, Any] = json.loads(line)
            self._count(row["key"], row["judge"], _parse_outcome(row))
        except (ValueError, TypeError, KeyError):
            fault = "is no line of this log. Remove it, or name another --output"
            raise DataError(fault, str(self.path), number) from None


def _parse_outcome(row: dict[str, Any]) -> Outcome:
    usage = Usage(int(row["tokens_in"]), int(row["tokens_out"]), int(row["n_estimated"]))
    if "failure" in row:
        return Outcome(Failure(row["failure"], row["detail"]), usage)
    if row["winner"] not in WINNERS or row["strength"] not in STRENGTHS:
        raise ValueError
    return Outcome(Judgement(row["winner"], row["strength"], row["reason"]), usage)

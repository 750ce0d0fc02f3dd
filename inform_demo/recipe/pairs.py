"""Preference pairs from JSONL files with the model card's columns.

A row is `{"chosen": [...], "rejected": [...], "magnitude": 1 | 2 | 3, "source": "..."}`, where chosen and rejected
are lists of `{"role", "content"}` with the same turns but for the last. Knows files and conversations: no tokens, no
model.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from inform_demo.errors import DataError, InputError
from inform_demo.types import Conversation, PreferencePair, parse_messages

MAGNITUDES = (1, 2, 3)


def read_pairs(path: Path, skipped: list[DataError] | None = None) -> Iterator[PreferencePair]:
    """The pairs of a .jsonl or .jsonl.gz file, in order.

    Args:
        skipped: where given, rows that are no pair are added to it and left out instead of raised.

    Raises:
        DataError: the file cannot be read, or a row is no pair; names file and line.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    yield _parse_pair(line, str(path), number)
                except DataError as error:
                    if skipped is None:
                        raise
                    skipped.append(error)
    except (OSError, EOFError) as error:
        raise DataError(f"cannot be read: {error}", str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is not valid UTF-8: {error.reason} at byte {error.start}", str(path)) from error


def split_pairs(
    pairs: Iterable[PreferencePair], holdout_fraction: float
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """Pairs to train on and pairs held out for choices, split by a hash of the prompt.

    The same prompt always falls on the same side, whatever the order and whatever else is in the file.
    """
    train: list[PreferencePair] = []
    holdout: list[PreferencePair] = []
    for pair in pairs:
        prompt = json.dumps([[message.role, message.content] for message in pair.chosen.prompt])
        fraction = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8]) / 2**64
        (holdout if fraction < holdout_fraction else train).append(pair)
    return train, holdout


def build_mismatched_pairs(pairs: Sequence[PreferencePair], n_pairs: int, seed: int) -> list[PreferencePair]:
    """Pairs that length cannot tell apart: a good answer against a good answer of about its length to another prompt.

    Only the prompt says which is right, so a model that goes by length or fluency alone gets nothing from them.

    Args:
        pairs: where answers are taken from; both come from one source, and their lengths differ by a tenth at most.
        n_pairs: how many to build; fewer where there are not so many partners.
    """
    by_source: dict[str, list[PreferencePair]] = {}
    for pair in pairs:
        by_source.setdefault(pair.source, []).append(pair)
    candidates: list[PreferencePair] = []
    for source in sorted(by_source):
        by_length = sorted(by_source[source], key=lambda pair: len(pair.chosen.response))
        for one, other in pairwise(by_length):
            n_one, n_other = len(one.chosen.response), len(other.chosen.response)
            if n_other - n_one <= 0.1 * n_one and one.chosen.prompt != other.chosen.prompt:
                rejected = Conversation((*one.chosen.prompt, other.chosen.messages[-1]))
                if rejected != one.chosen:
                    candidates.append(PreferencePair(one.chosen, rejected, max(MAGNITUDES), "mismatched"))
    Random(seed).shuffle(candidates)
    return candidates[:n_pairs]


def _parse_pair(line: str, path: str, number: int) -> PreferencePair:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"is no JSON: {error.msg} at character {error.pos}", path, number) from None
    missing = [
        column for column in ("chosen", "rejected", "magnitude") if not isinstance(row, dict) or column not in row
    ]
    if missing:
        raise DataError(
            f"expected an object with the columns chosen, rejected, magnitude; missing: {missing}", path, number
        )
    if row["magnitude"] not in MAGNITUDES:
        raise DataError(f"magnitude must be 1, 2 or 3; got {row['magnitude']!r}", path, number)
    try:
        chosen = Conversation(parse_messages(row["chosen"]))
        rejected = Conversation(parse_messages(row["rejected"]))
    except InputError as error:
        raise DataError(str(error), path, number) from error
    if chosen.prompt != rejected.prompt:
        raise DataError("chosen and rejected must have the same turns but for the last", path, number)
    if chosen == rejected:
        raise DataError("chosen and rejected are the same; a pair needs a difference", path, number)
    return PreferencePair(chosen, rejected, int(row["magnitude"]), str(row.get("source", "unknown")))

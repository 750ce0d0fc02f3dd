"""Preference pairs from JSONL files with the model card's columns.

A row is `{"chosen": [...], "rejected": [...], "magnitude": 1 | 2 | 3, "source": "..."}`, where chosen and rejected
are lists of `{"role", "content"}` with the same turns but for the last. Knows files and conversations: no tokens, no
model.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Literal

from inform_demo.errors import ConfigError, DataError, InputError
from inform_demo.types import Conversation, PreferencePair, parse_messages

MAGNITUDES = (1, 2, 3)

# What a magnitude column holds: labels, or what the model card's own published column holds instead of them. 1 and 3
# occur in both and mean different things, so nothing is guessed.
Magnitudes = Literal["raw", "remapped"]
LABEL_OF: dict[Magnitudes, dict[int, int]] = {"raw": {1: 1, 2: 2, 3: 3}, "remapped": {1: 1, 3: 2, 10: 3}}

# What occurs in one of them only gives the file away.
WAY_OUT: dict[tuple[Magnitudes, float], str] = {
    ("raw", 10): "; a file with the card's weights 1, 3, 10 wants --magnitudes remapped",
    ("remapped", 2): "; a file with the labels 1, 2, 3 wants --magnitudes raw",
}


def read_pairs(
    path: Path,
    skipped: list[DataError] | None = None,
    magnitudes: Magnitudes = "raw",
    *,
    needs_magnitude: bool = True,
) -> Iterator[PreferencePair]:
    """The pairs of a .jsonl or .jsonl.gz file, in order.

    Args:
        skipped: where given, rows that are no pair are added to it and left out instead of raised.
        magnitudes: "raw" where the column holds the labels 1, 2, 3; "remapped" where it holds the weights 1, 3, 10.
        needs_magnitude: off where magnitudes are not used or yet to be found; the column is not read, and every pair
            has magnitude 1.

    Raises:
        DataError: the file cannot be read, or a row is no pair; names file and line.
    """
    for number, row in read_rows(path):
        try:
            if isinstance(row, DataError):
                raise row
            if not needs_magnitude:
                row["magnitude"] = 1
            yield _parse_pair(row, str(path), number, magnitudes)
        except DataError as error:
            if skipped is None:
                raise
            skipped.append(error)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    """Number and object of each line of a .jsonl or .jsonl.gz file that is not blank; an error stands for a bad line.

    Raises:
        DataError: the file itself cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield number, _parse_row(line, str(path), number)
                    except DataError as error:
                        yield number, error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {error}", str(path)) from error


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


def mix_sources(pairs: Sequence[PreferencePair], shares: Mapping[str, float], seed: int) -> list[PreferencePair]:
    """Each source's pairs as often as asked: 0.25 takes a random quarter of them, 2.5 all twice and half once more.

    Args:
        shares: pattern of sources as a shell has them ("synthetic-*") to share, at least 0; the first that matches
            counts, and a source that none matches stays as it is.

    Raises:
        ConfigError: a pattern matches no source.
    """
    by_source: dict[str, list[PreferencePair]] = {}
    for pair in pairs:
        by_source.setdefault(pair.source, []).append(pair)
    for pattern in shares:
        if not any(fnmatchcase(source, pattern) for source in by_source):
            raise ConfigError(f"no source matches {pattern!r}; the pairs have {', '.join(sorted(by_source))}.")
    random = Random(seed)
    mixed: list[PreferencePair] = []
    for source in sorted(by_source):
        share = next((share for pattern, share in shares.items() if fnmatchcase(source, pattern)), 1.0)
        own = by_source[source]
        n_whole, n_rest = divmod(round(share * len(own)), len(own))
        mixed += own * n_whole + random.sample(own, n_rest)
    return mixed


def build_mismatched_pairs(pairs: Sequence[PreferencePair], n_pairs: int, seed: int) -> list[PreferencePair]:
    """Pairs that length cannot tell apart: a good answer against a good answer of about its length to another prompt.

    Only the prompt says which is right, so a model that goes by length or fluency alone gets nothing from them: of all
    that can be built, each answer is as often the right one as the wrong one.

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
        for shorter, longer in pairwise(by_length):
            n_shorter, n_longer = len(shorter.chosen.response), len(longer.chosen.response)
            if n_longer - n_shorter <= 0.1 * n_shorter and shorter.chosen.prompt != longer.chosen.prompt:
                for own, other in ((shorter, longer), (longer, shorter)):
                    rejected = Conversation((*own.chosen.prompt, other.chosen.messages[-1]))
                    if rejected != own.chosen:
                        candidates.append(PreferencePair(own.chosen, rejected, max(MAGNITUDES), "mismatched"))
    Random(seed).shuffle(candidates)
    return candidates[:n_pairs]


def _parse_row(line: bytes, path: str, number: int) -> dict[str, Any]:
    try:
        row: Any = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"is not valid UTF-8: {error.reason} at byte {error.start} of the line", path, number) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no JSON: {error}", path, number) from None
    if not isinstance(row, dict):
        raise DataError(f"expected a JSON object; got {type(row).__name__}", path, number)
    return row


def _parse_pair(row: dict[str, Any], path: str, number: int, magnitudes: Magnitudes) -> PreferencePair:
    missing = [column for column in ("chosen", "rejected", "magnitude") if column not in row]
    if missing:
        raise DataError(
            f"expected an object with the columns chosen, rejected, magnitude; missing: {missing}", path, number
        )
    labels, value = LABEL_OF[magnitudes], row["magnitude"]
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in labels:
        first, second, third = labels
        expected = f"magnitude must be {first}, {second} or {third}, as {magnitudes} values are"
        way_out = WAY_OUT.get((magnitudes, value), "") if isinstance(value, int | float) else ""
        raise DataError(f"{expected}; got {value!r}{way_out}", path, number)
    try:
        chosen = Conversation(parse_messages(row["chosen"]))
        rejected = Conversation(parse_messages(row["rejected"]))
    except InputError as error:
        raise DataError(str(error), path, number) from error
    if chosen.prompt != rejected.prompt:
        raise DataError("chosen and rejected must have the same turns but for the last", path, number)
    if chosen == rejected:
        raise DataError("chosen and rejected are the same; a pair needs a difference", path, number)
    return PreferencePair(chosen, rejected, labels[int(value)], _parse_source(row, path, number))


def _parse_source(row: dict[str, Any], path: str, number: int) -> str:
    source = "unknown" if row.get("source") is None else str(row["source"])
    try:
        source.encode()
    except UnicodeEncodeError:  # half a surrogate pair can be read, but neither printed nor written
        raise DataError(f"source is not valid Unicode; got {source!a}", path, number) from None
    return source

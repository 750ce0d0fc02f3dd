"""Pairs from files: each bad row is told by file and line, and no prompt is on both sides of a split."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections import Counter

import pytest

from inform_demo.errors import ConfigError, DataError
from inform_demo.recipe.pairs import build_mismatched_pairs, mix_sources, read_pairs, split_pairs
from tests.recipe.conftest import ROWS, row

GOOD = json.dumps(ROWS[0])


def write(tmp_path, *lines):
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return file


def test_plain_and_gzip_give_the_same_pairs(pairs_file, tmp_path):
    packed = tmp_path / "pairs.jsonl.gz"
    packed.write_bytes(gzip.compress(pairs_file.read_bytes()))
    pairs = list(read_pairs(pairs_file))
    assert pairs == list(read_pairs(packed))
    assert [(p.chosen.response, p.rejected.response, p.magnitude, p.source) for p in pairs] == [
        (r["chosen"][-1]["content"], r["rejected"][-1]["content"], r["magnitude"], r["source"]) for r in ROWS
    ]


BAD = {
    "no JSON": ("{", "is no JSON"),
    "a list": ("[]", "expected a JSON object; got list"),
    "nesting": ("[" * 100_000, "is no JSON"),
    "invalid UTF-8": (b'{"a": "\xff"}', "not valid UTF-8: invalid start byte at byte 7 of the line"),
    "no magnitude": (json.dumps({k: v for k, v in ROWS[0].items() if k != "magnitude"}), "missing: .'magnitude'"),
    "magnitude 7": (json.dumps(row("p", "a", "b", 7)), "magnitude must be 1, 2 or 3, as raw values are; got 7"),
    "magnitude in words": (
        json.dumps(row("p", "a", "b", "3")),
        "must be 1, 2 or 3, as raw values are; got '3'",
    ),
    "empty answer": (json.dumps(row("p", " ", "b")), "The assistant turn is empty"),
    "equal answers": (json.dumps(row("p", "a", "a")), "chosen and rejected are the same"),
    "other prompt": (json.dumps({**ROWS[0], "rejected": ROWS[1]["rejected"]}), "must have the same turns"),
    "no answer": (json.dumps({**ROWS[0], "chosen": ROWS[0]["chosen"][:1]}), "got: user"),
    "half a character": (json.dumps({**ROWS[0], "source": "\ud83d"}), r"source is not valid Unicode; got '\\ud83d'"),
}


@pytest.mark.parametrize(("line", "message"), BAD.values(), ids=BAD)
def test_a_bad_row_is_told_by_file_and_line(tmp_path, line, message):
    file = write(tmp_path, GOOD, "", line, GOOD)
    with pytest.raises(DataError, match=message) as caught:
        list(read_pairs(file))
    assert (caught.value.path, caught.value.line) == (str(file), 3)
    assert f"{file}, line 3" in str(caught.value)
    skipped = []
    assert len(list(read_pairs(file, skipped))) == 2
    assert [error.line for error in skipped] == [3]


def test_remapped_magnitudes_are_told_apart_only_by_saying_so(tmp_path):
    remapped = [row(f"p{m}", "a", "b", m) for m in (1, 3, 10)]
    file = write(tmp_path, *map(json.dumps, remapped))
    assert [pair.magnitude for pair in read_pairs(file, magnitudes="remapped")] == [1, 2, 3]
    with pytest.raises(
        DataError, match=r"must be 1, 2 or 3, as raw values are; got 10; .* wants --magnitudes remapped"
    ):
        list(read_pairs(file))
    with pytest.raises(
        DataError, match=r"must be 1, 3 or 10, as remapped values are; got 2; .* wants --magnitudes raw"
    ):
        list(read_pairs(write(tmp_path, json.dumps(row("p", "a", "b", 2))), magnitudes="remapped"))


@pytest.mark.parametrize(("value", "magnitudes"), [(7, "raw"), ([10], "raw"), ("10", "raw"), (7, "remapped")])
def test_no_way_out_is_named_where_the_value_is_in_neither(tmp_path, value, magnitudes):
    with pytest.raises(DataError, match="magnitude must be") as caught:
        list(read_pairs(write(tmp_path, json.dumps(row("p", "a", "b", value))), magnitudes=magnitudes))
    assert "--magnitudes" not in str(caught.value)


def test_a_magnitude_may_be_absent_or_anything_where_it_is_not_needed(tmp_path):
    bare = {k: v for k, v in ROWS[0].items() if k != "magnitude"}
    file = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(bare).encode(), json.dumps(row("p", "a", "b", 7)))
    assert [pair.magnitude for pair in read_pairs(file, needs_magnitude=False)] == [1, 1]
    with pytest.raises(DataError, match=r"missing: .'magnitude'"):
        list(read_pairs(file))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        list(read_pairs(tmp_path / "nowhere.jsonl"))
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(GOOD.encode() * 50)[:-12])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_pairs(broken, []))


def many(n):
    return [row(f"Question {i}?", f"Right {i} " * (1 + i % 5), f"Wrong {i}") for i in range(n)]


@pytest.fixture
def many_pairs(tmp_path):
    return list(read_pairs(write(tmp_path, *map(json.dumps, many(400)))))


def test_a_prompt_is_on_one_side_only_whatever_the_order(many_pairs):
    train, holdout = split_pairs(many_pairs, 0.1)
    assert len(train) + len(holdout) == 400
    assert 15 < len(holdout) < 70
    backwards = split_pairs(many_pairs[::-1], 0.1)
    assert {p.chosen.prompt for p in holdout} == {p.chosen.prompt for p in backwards[1]}
    alone = [pair for pair in many_pairs if split_pairs([pair], 0.1)[1]]
    assert alone == holdout
    assert split_pairs(many_pairs, 0)[1] == []


def test_sources_are_taken_as_often_as_asked(many_pairs):
    names = ["synthetic-empty"] * 40 + ["synthetic-truncated"] * 20 + ["oasst"] * 10 + ["other"] * 330
    pairs = [dataclasses.replace(pair, source=name) for pair, name in zip(many_pairs, names, strict=True)]
    mixed = mix_sources(pairs, {"synthetic-*": 0.25, "oasst": 2.5}, seed=0)
    taken = {"synthetic-empty": 10, "synthetic-truncated": 5, "oasst": 25, "other": 330}
    assert Counter(pair.source for pair in mixed) == taken
    assert {*mixed} <= {*pairs}
    copies = Counter(mixed)
    assert sorted(n for pair, n in copies.items() if pair.source == "oasst") == [2] * 5 + [3] * 5
    assert all(n == 1 for pair, n in copies.items() if pair.source != "oasst")
    assert mix_sources(pairs, {"synthetic-*": 0.25, "oasst": 2.5}, seed=0) == mixed
    assert mix_sources(pairs, {"synthetic-*": 0.25, "oasst": 2.5}, seed=1) != mixed


def test_the_first_pattern_counts_and_zero_leaves_a_source_out(many_pairs):
    pairs = [dataclasses.replace(pair, source="ab"[i % 2]) for i, pair in enumerate(many_pairs)]
    assert {pair.source for pair in mix_sources(pairs, {"a": 0, "*": 1}, seed=0)} == {"b"}
    assert Counter(mix_sources(pairs, {}, seed=0)) == Counter(pairs)


def test_a_source_that_is_not_there_is_named(many_pairs):
    with pytest.raises(ConfigError, match=r"no source matches 'oast'; the pairs have made-up"):
        mix_sources(many_pairs, {"oast": 2}, seed=0)


def test_mismatched_pairs_cannot_be_told_apart_by_length(many_pairs):
    mismatched = build_mismatched_pairs(many_pairs, 50, seed=0)
    assert len(mismatched) == 50
    answers = {pair.chosen.prompt: pair.chosen.response for pair in many_pairs}
    for pair in mismatched:
        assert pair.chosen.prompt == pair.rejected.prompt
        assert pair.chosen.response == answers[pair.chosen.prompt]
        assert pair.rejected.response != pair.chosen.response
        assert pair.rejected.response in answers.values()
        shorter, longer = sorted((len(pair.chosen.response), len(pair.rejected.response)))
        assert longer <= 1.1 * shorter
    assert build_mismatched_pairs(many_pairs, 50, seed=0) == mismatched
    assert build_mismatched_pairs(many_pairs, 50, seed=1) != mismatched
    assert len(build_mismatched_pairs(many_pairs[:2], 50, seed=0)) <= 2
    leads = [
        (len(pair.chosen.response) > len(pair.rejected.response))
        - (len(pair.chosen.response) < len(pair.rejected.response))
        for pair in build_mismatched_pairs(many_pairs, 10**6, seed=0)
    ]
    assert any(leads)
    assert sum(leads) == 0

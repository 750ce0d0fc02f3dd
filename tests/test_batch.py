"""Rows of pairs in, scored rows and their summary out, over a stand-in for the model."""

from __future__ import annotations

import csv
import io
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inform_demo.batch import BatchRun, bin_margins, score_row, summarise
from inform_demo.batch_files import (
    Columns,
    read_table,
)
from inform_demo.errors import ModelNotReadyError, OutOfMemoryError
from inform_demo.ui import batch_view
from inform_demo.ui.batch_export import EXPORTS, export_csv, export_jsonl, export_llm_comparator
from inform_demo.ui.texts import ENGLISH
from tests.doubles import REPORT, FakeScorer

COLUMNS = Columns("prompt", "a", "b", "label")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": " "}, "a is empty"),
        ({"prompt": None}, "prompt is empty"),
        ({"b": 7}, "b must be text or a list of messages; got int"),
        ({"a": "x" * 1_000_001}, "a has 1,000,001 characters"),
        ({"label": "maybe"}, "label must be a, b, tie, 0 (A) or 1 (B); got 'maybe'"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "in alternation"),
        ({"prompt": [7]}, "Turn 1 must be an object"),
        ({"prompt": [{"role": "user", "content": "x" * 600_000}] * 2}, "has 1,200,000 characters"),
        ({"a": "x\ud800"}, "not valid Unicode"),
    ],
)
def test_a_bad_row_keeps_its_reason_and_the_rest_go_on(change, words):
    good = {"prompt": "p", "a": "one", "b": "two three", "label": "tie"}
    run = BatchRun((good, {**good, **change}, good), COLUMNS)
    noted = []
    run.advance(FakeScorer(), float("inf"), noted.append)
    assert run.is_finished
    assert words in run.done[1].error
    assert noted == [run.done[1].fault]
    assert run.done[1].comparison is None
    assert export_jsonl(run.done).encode().count(b"\n") == 3
    assert [row.error for row in (run.done[0], run.done[2])] == ["", ""]
    assert summarise(run.done, 0.05).n_failed == 1


def test_a_fault_of_the_model_is_the_rows_and_a_missing_model_is_not():
    row = {"prompt": "p", "a": "one", "b": "two", "label": ""}
    assert "no room" in score_row(FakeScorer(error=OutOfMemoryError("no room")), row, COLUMNS, 1).error
    run = BatchRun((row, row), COLUMNS)
    run.advance(FakeScorer(), 0)
    with pytest.raises(ModelNotReadyError):
        run.advance(FakeScorer(error=ModelNotReadyError("gone")), 0)
    assert len(run.done) == 1
    run.advance(FakeScorer(), 0)
    assert [row.number for row in run.done] == [1, 2]


def test_a_run_stops_after_its_budget_and_goes_on_where_it_was():
    rows = tuple({"prompt": "p", "a": f"one {i}", "b": "two"} for i in range(5))
    run, steps = BatchRun(rows, Columns("prompt", "a", "b")), 0
    while not run.is_finished:
        run.advance(FakeScorer(), 0)
        steps += 1
    assert steps == 5
    assert [row.response_a for row in run.done] == [f"one {i}" for i in range(5)]
    assert run.left_s == 0


def scored(*pairs):
    rows = tuple({"prompt": "p", "a": a, "b": b, "label": label} for a, b, label in pairs)
    run = BatchRun(rows, COLUMNS)
    run.advance(FakeScorer(), float("inf"))
    return run.done


words = st.integers(1, 30).map(lambda n: " ".join(map(str, range(n))))


@settings(deadline=None)
@given(st.lists(st.tuples(words, words, st.sampled_from(["a", "b", "tie", ""])), min_size=1, max_size=12))
def test_the_summary_equals_a_count_by_hand(pairs):
    rows = scored(*pairs)
    summary = summarise(rows, 0.05)
    # The stand-in gives a tenth of a point for each word; within 45 % and 55 % is a margin of 0.2.
    margins = [(len(a.split()) - len(b.split())) / 10 for a, b, _ in pairs]
    choices = ["tie" if abs(m) <= 0.2 else "a" if m > 0 else "b" for m in margins]
    assert (summary.n_a, summary.n_b, summary.n_tie) == tuple(choices.count(c) for c in ("a", "b", "tie"))
    labelled = [(c, label) for c, (_, _, label) in zip(choices, pairs, strict=True) if label]
    assert summary.n_labelled == len(labelled)
    assert summary.n_right == sum(c == label for c, label in labelled)
    if labelled:
        assert summary.low <= summary.accuracy <= summary.high
    decided = [(c, len(a) - len(b)) for c, (a, b, _) in zip(choices, pairs, strict=True) if c != "tie"]
    if decided:  # more words are longer here
        assert summary.longer_preferred == 1.0
    assert sum(n for _, _, n in bin_margins(rows)) == len(rows)


def spearman(xs, ys) -> float:
    """By its definition: the covariance of the ranks, ties sharing their mean rank."""

    def ranks(values):
        return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]

    a, b = ranks(xs), ranks(ys)
    mean = (len(a) + 1) / 2
    spread = [sum((r - mean) ** 2 for r in side) ** 0.5 for side in (a, b)]
    return sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True)) / (spread[0] * spread[1])


def test_the_length_correlation_is_spearmans():
    random_ = random.Random(1)
    pairs = [
        (" ".join("x" * random_.randint(1, 9) for _ in range(4)), "y " * random_.randint(1, 20), "") for _ in range(40)
    ]
    rows = scored(*pairs)
    margins = [row.comparison.margin for row in rows]
    longer = [len(row.response_a) - len(row.response_b) for row in rows]
    assert summarise(rows, 0.05).length_correlation == pytest.approx(spearman(margins, longer))
    assert summarise(rows[:1], 0.05).length_correlation is None


def test_exports_hold_every_row_in_full_and_no_formula():
    rows = scored(("=1+1", "two", "a"), ("@x", "\tSUM(1)", "zz"), ('quote " and\nline', "plain", ""))
    table = list(csv.DictReader(io.StringIO(export_csv(rows), newline="")))
    assert [line["response_a"] for line in table] == ["'=1+1", "'@x", 'quote " and\nline']
    assert float(table[0]["margin"]) == rows[0].comparison.margin
    assert "zz" in table[1]["error"]
    lines = [json.loads(line) for line in export_jsonl(rows).splitlines()]
    assert [line["response_a"] for line in lines] == ["=1+1", "@x", 'quote " and\nline']
    assert lines[0]["margin"] == rows[0].comparison.margin
    compared = json.loads(export_llm_comparator(rows))
    assert [example["output_text_a"] for example in compared["examples"]] == ["=1+1", 'quote " and\nline']
    assert {"metadata", "models", "examples"} <= compared.keys()
    assert all(write([]) is not None for write, _, _ in EXPORTS.values())


def test_the_page_shows_hostile_cells_as_text_and_says_what_it_shortens():
    nasty = "<img src=x onerror=alert(1)>"
    table = read_table(json.dumps({nasty: nasty, "long": "x" * 500}).encode(), "f.jsonl")
    assert "<img" not in batch_view.render_file_read(ENGLISH, nasty, table)
    assert batch_view.preview_rows(table)[0][1] == "x" * 160 + "…"
    run = BatchRun(({"prompt": "p", "a": "one", "b": "two"},) * 3, Columns("prompt", "a", "b"))
    assert "<img" not in batch_view.render_progress(ENGLISH, run, "failed", nasty)
    assert "do not rely" in batch_view.render_summary(ENGLISH, summarise([], 0.05), REPORT)

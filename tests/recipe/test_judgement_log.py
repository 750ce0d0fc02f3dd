"""What is kept of a run: its log of judgements, read back as it was written, and its report."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inform_demo.errors import DataError
from inform_demo.recipe.annotation import (
    Annotation,
    Failure,
    Judgement,
    Outcome,
    Usage,
)
from inform_demo.recipe.annotation_report import AnnotationReport, UnjudgedPair, count_annotations, render_report
from inform_demo.recipe.judgement_log import JudgementLog
from tests.recipe.test_annotation import pair_of, questions_of


def report_of(annotations, written, unjudged=(), cost=None):
    return AnnotationReport(
        judge="judge",
        template_version=1,
        n_pairs=len(annotations) + len(unjudged),
        n_invalid=0,
        unjudged=tuple(unjudged),
        usage=Usage(12345, 678, 2),
        cost_usd=cost,
        **count_annotations(annotations, written),
    )


def test_the_report_counts_what_it_says():
    good = [Annotation(3), Annotation(2), Annotation(1)]
    doubtful = [Annotation(1, disputed=True, flipped=True), Annotation(1, disputed=True)]
    conflict = [Annotation(1, label_conflict=True)]
    unjudged = [UnjudgedPair(n, "p", Failure(reason)) for n, reason in enumerate(("refusal", "timeout", "timeout"), 7)]
    report = report_of([*good, *doubtful, *conflict], [*good, *doubtful], unjudged, 0.5)
    value = json.loads(json.dumps(report.to_dict()))
    assert value["magnitudes"] == {"1": 3, "2": 1, "3": 1}
    assert (value["n_judged"], value["n_written"], value["n_disputed"], value["n_label_conflicts"]) == (6, 5, 2, 1)
    assert value["flip_rate"] == pytest.approx(1 / 6)
    assert value["failures"] == {"timeout": 2, "refusal": 1}
    text = render_report(report)
    for words in ("6 of 9 pairs", "1: 3, 2: 1, 3: 1", "16.7%", "12,345 in", "2 requests estimated", "0.5000 USD"):
        assert words in text
    assert "not judged: timeout: 2, refusal: 1" in text
    assert "flip rate: none" in render_report(report_of([], []))


@given(
    st.lists(st.sampled_from([Judgement("A", 2, "réason\ud800\n"), Failure("refusal", "no")]), max_size=8), st.data()
)
def test_the_log_is_read_back_as_it_was_written(tmp_path_factory, results, data):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    questions = [questions_of(pair_of(f"p{i}", "c", "r"))[0] for i in range(len(results))]
    log = JudgementLog(path, "judge")
    with log.appending():
        for question, result in zip(questions, results, strict=True):
            log.add(question, Outcome(result, Usage(10, 1)))
    again = JudgementLog(path, "judge")
    assert (again.judgements, again.usage) == (log.judgements, log.usage)
    assert again.usage == Usage(10 * len(results), len(results))
    another = JudgementLog(path, "another judge")
    assert (another.judgements, another.usage) == ({}, log.usage)  # what is spent is spent, whoever was asked
    # Cut anywhere, as a kill may: whole lines stay, and what is added next starts a line of its own.
    written = path.read_bytes()
    path.write_bytes(written[: data.draw(st.integers(0, len(written)))])
    n_whole = path.read_bytes().count(b"\n")
    torn = JudgementLog(path, "judge")
    assert torn.usage.tokens_in == 10 * n_whole
    with torn.appending():
        torn.add(questions_of(pair_of("last", "c", "r"))[0], Outcome(Judgement("B", 1, ""), Usage(10, 1)))
    assert JudgementLog(path, "judge").usage.tokens_in == 10 * (n_whole + 1)


def test_what_was_lost_is_logged_with_what_was_used(tmp_path):
    log = JudgementLog(tmp_path / "log.jsonl", "judge")
    with log.appending():
        question = questions_of(pair_of("p", "c", "r"))[0]
        log.add(question, Outcome(Judgement("A", 1, ""), Usage(10, 1), lost=Usage(20, 30, 2)))
    assert log.usage == JudgementLog(log.path, "judge").usage == Usage(30, 31, 2)


def test_what_another_run_added_since_is_not_cut_off(tmp_path):
    path, (question, *_) = tmp_path / "log.jsonl", questions_of(pair_of("p", "c", "r"))
    early, late = JudgementLog(path, "judge"), JudgementLog(path, "judge")
    with late.appending():
        late.add(question, Outcome(Judgement("A", 1, ""), Usage(10, 1)))
    with early.appending():
        early.add(question, Outcome(Judgement("A", 1, ""), Usage(10, 1)))
    assert JudgementLog(path, "judge").usage.tokens_in == 20


@pytest.mark.parametrize("line", [b"\0\0\0\n", b"[]\n", b"{}\n", b'{"judge": "judge"}\n', b"\xff\n"])
def test_a_file_that_is_no_log_is_left_alone(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(line)
    with pytest.raises(DataError, match="is no line of this log") as caught:
        JudgementLog(path, "judge")
    assert caught.value.line == 1
    assert path.read_bytes() == line


def test_a_winner_that_is_none_is_no_line_of_the_log(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JudgementLog(path, "judge")
    with log.appending():
        log.add(questions_of(pair_of("p", "c", "r"))[0], Outcome(Judgement("A", 1, ""), Usage(10, 1)))
    path.write_text(path.read_text().replace('"A"', '"C"'))
    with pytest.raises(DataError, match="is no line of this log"):
        JudgementLog(path, "judge")

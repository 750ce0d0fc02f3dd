"""What is done in Batch is never lost: places for files, columns that change, a model that goes away."""

from __future__ import annotations

import pytest

from inform_demo.batch import BatchRun
from inform_demo.batch_files import Columns, Table
from inform_demo.errors import ModelNotReadyError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.batch_jobs import IDLE_S, Job, Jobs
from inform_demo.ui.batch_tab import _run_label, _step
from inform_demo.ui.texts import ENGLISH
from tests.doubles import FakeScorer

COLUMNS = ("prompt", "response_a", "response_b", "")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def new_job(n: int = 3) -> Job:
    rows = tuple({"prompt": "p", "response_a": f"a {i}", "response_b": "b"} for i in range(n))
    return Job("pairs.csv", Table(("prompt", "response_a", "response_b"), rows))


@pytest.fixture
def scorer():
    return FakeScorer()


@pytest.fixture
def slot(scorer):
    slot = ScorerSlot(lambda: scorer)
    slot.get(10)
    return slot


def test_a_file_in_use_gives_its_place_to_nobody():
    clock = Clock()
    jobs = Jobs(most=2, clock=clock)
    first, second = jobs.add(new_job()), jobs.add(new_job())
    clock.now += IDLE_S - 1
    assert jobs.add(new_job()) is None
    assert jobs.get(first)  # touched: it is in use again
    clock.now += 2
    third = jobs.add(new_job())
    assert third
    assert jobs.get(second) is None
    assert jobs.get(first)
    assert jobs.get(third)
    assert jobs.add(new_job()) is None


def test_a_file_opened_instead_of_another_takes_its_place_only_where_room_is_needed():
    jobs = Jobs(most=2, clock=Clock())
    first = jobs.add(new_job())
    second = jobs.add(new_job(), instead=first)
    assert jobs.get(first)
    assert jobs.get(second)
    third = jobs.add(new_job(), instead=first)
    assert jobs.get(first) is None
    assert jobs.get(second)
    assert jobs.get(third)
    assert jobs.add(new_job(), instead="unknown") is None


def test_other_columns_keep_the_rows_done_until_a_new_run_has_one(slot, scorer):
    job = new_job()
    assert 'data-state="done"' in _step(slot, job, COLUMNS, ENGLISH)
    done = job.run
    swapped = ("prompt", "response_b", "response_a", "")
    assert _run_label(job, swapped, ENGLISH) == ENGLISH.batch.run
    for chosen in (("prompt", "", "response_a", ""), swapped):
        scorer.error = ModelNotReadyError("The model is gone.")
        words = _step(slot, job, chosen, ENGLISH)
        assert 'data-state="failed"' in words
        assert "kept below" not in words
        assert job.run is done
    scorer.error = None
    _step(slot, job, swapped, ENGLISH)
    assert job.run is not done
    assert [row.response_b for row in job.run.done] == ["a 0", "a 1", "a 2"]


def test_a_run_under_way_goes_on_with_its_own_columns(slot, scorer):
    job = new_job()
    job.run = BatchRun(job.table.rows, Columns("prompt", "response_a", "response_b", None))
    job.run.advance(scorer, 0)
    run = job.run
    assert _run_label(job, COLUMNS, ENGLISH) == ENGLISH.batch.go_on
    assert _run_label(job, ("prompt", "response_b", "response_a", ""), ENGLISH) == ENGLISH.batch.run
    assert 'data-state="done"' in _step(slot, job, None, ENGLISH)
    assert job.run is run
    assert len(run.done) == 3


def test_a_step_for_a_file_that_was_replaced_or_is_gone_raises_nothing(slot):
    assert _step(slot, new_job(), None, ENGLISH) == ""
    words = _step(slot, None, None, ENGLISH)
    assert "The server no longer has this file" in words
    assert "kept below" not in words


def test_a_model_that_goes_away_mid_run_leaves_its_rows(slot, scorer):
    job = new_job()
    job.run = BatchRun(job.table.rows, Columns("prompt", "response_a", "response_b", None))
    job.run.advance(scorer, 0)
    scorer.error = ModelNotReadyError("The model is gone.")
    assert "The rows done so far are kept below; Go on scores the rest." in _step(slot, job, COLUMNS, ENGLISH)
    assert len(job.run.done) == 1

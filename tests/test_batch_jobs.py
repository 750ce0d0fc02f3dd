"""What is done in Batch is never lost: places for files, columns that change, a model that goes away."""

from __future__ import annotations

import pytest

from inform_demo.batch import BatchRun
from inform_demo.batch_files import Columns, Table
from inform_demo.config import ServeConfig
from inform_demo.errors import DataError, InputError, ModelNotReadyError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.batch_jobs import IDLE_S, MOST_JOBS, Job, Jobs, name_upload_folder, read_upload
from inform_demo.ui.batch_tab import _build_jobs, _keep, _run_label, _step
from inform_demo.ui.texts import ENGLISH, LANGUAGES
from inform_demo.web.door import build_limits
from inform_demo.web.routes import Kind
from tests.doubles import FakeScorer

COLUMNS = ("prompt", "response_a", "response_b", "")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def new_job(n: int = 3, visitor: str = "") -> Job:
    rows = tuple({"prompt": "p", "response_a": f"a {i}", "response_b": "b"} for i in range(n))
    return Job("pairs.csv", Table(("prompt", "response_a", "response_b"), rows), visitor=visitor)


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


def test_one_visitor_has_a_quarter_of_the_places_for_files_and_leaves_the_rest_to_others():
    jobs = _build_jobs(ServeConfig(host="0.0.0.0"))
    kept = [jobs.add(new_job(visitor="one")) for _ in range(MOST_JOBS)]
    assert [bool(key) for key in kept] == [True] * 4 + [False] * 12
    for t in LANGUAGES.values():
        with pytest.raises(InputError) as caught:
            _keep(jobs, new_job(visitor="one"), "", t)
        assert str(caught.value) == t.batch.full_of_one.format(count=4)
    others = [jobs.add(new_job(visitor=f"other {i}")) for i in range(12)]
    assert all(others)
    with pytest.raises(InputError) as caught:
        _keep(jobs, new_job(visitor="another"), "", ENGLISH)
    assert str(caught.value) == ENGLISH.batch.full
    assert all(jobs.get(key) for key in (*kept[:4], *others))


def test_a_visitors_own_idle_file_makes_way_before_anothers():
    clock = Clock()
    jobs = Jobs(most=3, clock=clock, most_of_one=2)
    others = jobs.add(new_job(visitor="other"))
    own = [jobs.add(new_job(visitor="one")) for _ in range(2)]
    clock.now += IDLE_S
    assert jobs.get(own[0])  # in use
    third = jobs.add(new_job(visitor="one"))
    assert third
    assert jobs.get(own[1]) is None
    assert jobs.get(others)
    assert jobs.get(own[0])
    # Where all places are taken, too, and another's file has lain for longer.
    roomy = Jobs(most=2, clock=clock, most_of_one=2)
    older, newer = (roomy.add(new_job(visitor=name)) for name in ("other", "one"))
    clock.now += IDLE_S
    assert roomy.add(new_job(visitor="one"))
    assert [bool(roomy.get(key)) for key in (older, newer)] == [True, False]
    # All of its own are in use, and another's is not: that one is for whoever has room left.
    assert jobs.get(own[0])
    assert jobs.get(third)
    assert jobs.add(new_job(visitor="one")) is None
    assert jobs.add(new_job(visitor="new"))
    assert jobs.get(others) is None


def test_a_file_opened_instead_takes_the_place_of_the_visitors_own_only():
    jobs = Jobs(most=4, clock=Clock(), most_of_one=1)
    others, own = jobs.add(new_job(visitor="other")), jobs.add(new_job(visitor="one"))
    assert jobs.add(new_job(visitor="one"), instead=others) is None
    newer = jobs.add(new_job(visitor="one"), instead=own)
    assert newer
    assert jobs.get(own) is None
    assert jobs.get(others)
    # It was refused a place, so that what it was to replace is in use as before.
    assert [bool(jobs.add(new_job(visitor=f"{i}"))) for i in range(3)] == [True, True, False]
    assert jobs.get(others)


@pytest.mark.parametrize("host", [None, "0.0.0.0"])
@pytest.mark.parametrize("rate_limit", [None, 0, 60])
def test_places_are_shared_out_exactly_where_visitors_are_limited(host, rate_limit):
    config = ServeConfig(host=host, rate_limit=rate_limit)
    expected = MOST_JOBS // 4 if Kind.SCORE in build_limits(config) else MOST_JOBS
    assert _build_jobs(config).most_of_one == expected


def test_an_upload_tells_whose_it_is_and_leaves_nothing(tmp_path):
    def put(folder, data=b"prompt,a,b\np,x,y\n"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pairs.csv").write_bytes(data)
        return str(tmp_path / folder / "pairs.csv")

    paths = [put(name_upload_folder(visitor)) for visitor in ("ann", "ann", "ben")]
    first, second, third = map(read_upload, paths)
    assert first.visitor == second.visitor != third.visitor
    assert "ann" not in first.visitor
    assert read_upload(paths[0]) is None
    with pytest.raises(DataError):
        read_upload(put(name_upload_folder("ann"), b"a,a\n"))
    assert list(tmp_path.iterdir()) == []
    assert read_upload(put("0123456789abcdef" * 4)).visitor == ""
    assert [path.name for path in tmp_path.rglob("*")] == ["0123456789abcdef" * 4]


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

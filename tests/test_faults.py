"""Errors from below the page in the visitor's language: every type has words, and every border uses them."""

from __future__ import annotations

import inspect
import json

import pytest

from inform_demo import errors
from inform_demo.batch import score_row
from inform_demo.batch_files import Columns
from inform_demo.errors import (
    CheckpointError,
    ConversationTooLongError,
    DataError,
    InformError,
    InputError,
    ModelNotReadyError,
    OutOfMemoryError,
)
from inform_demo.slot import ScorerSlot
from inform_demo.ui import about_view, batch_view, status_view
from inform_demo.ui.events import api_error, words_of
from inform_demo.ui.handlers import Inputs, compare, model_status, parse_conversation
from inform_demo.ui.texts import CHINESE, ENGLISH, describe_fault
from inform_demo.ui.texts import faults as words
from tests.doubles import FakeScorer

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, InformError)]


def build(kind):
    """An error of a type, with a telling value for each thing it is told."""
    taken = [] if kind.__init__ is Exception.__init__ else list(inspect.signature(kind).parameters.values())
    values = {"str": "some words", "int": 123_456_789, "float": 77.0, "int | None": 12}
    given = [values[parameter.annotation] for parameter in taken if parameter.annotation in values]
    return kind(*given) if given else kind("some words")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_fault_has_words(kind):
    error = build(kind)
    assert describe_fault(ENGLISH, error) == str(error)
    chinese = describe_fault(CHINESE, error)
    assert kind.__name__ in words.CHINESE
    assert "{" not in chinese
    assert "\u4e00" <= chinese[0] <= "\u9fff" or chinese[0].isdigit()
    # Nothing is lost in translation: its numbers, or its own words, are there.
    assert str(error) in chinese or any(letter.isdigit() for letter in chinese) or "some words" in chinese


def test_no_fault_has_words_that_is_none():
    assert words.CHINESE.keys() == {kind.__name__ for kind in KINDS}


def test_a_type_without_words_gets_those_of_the_next_above():
    class NewError(DataError):
        pass

    given = ("odd", "f.csv", 3)
    assert describe_fault(CHINESE, NewError(*given)) == describe_fault(CHINESE, DataError(*given))


def test_numbers_are_those_of_the_error():
    chinese = describe_fault(CHINESE, ConversationTooLongError(9_000, 8_192))
    assert "9,000" in chinese
    assert "8,192" in chinese
    chinese = describe_fault(CHINESE, errors.NoRoomError(9_000, 3 * 2**30, 2**29, 1_234))
    assert all(number in chinese for number in ("9,000", "3,072 MiB", "512 MiB", "1,234"))
    chinese = describe_fault(CHINESE, errors.NotEnoughMemoryError(3 * 2**30, 2**29, "this machine", "Use int8."))
    assert "3.0 GiB on this machine, where 0.5 GiB are free. Use int8." in chinese


def test_what_the_page_says_itself_is_said_once():
    with pytest.raises(InputError) as raised:
        compare(ScorerSlot(FakeScorer), Inputs("", "a", "b"), CHINESE)
    assert words_of(raised.value, CHINESE) == str(raised.value) == "提示为空：请输入或粘贴一些文字。"


def test_a_scorers_fault_reaches_a_chinese_visitor_in_chinese_and_a_program_in_english():
    with pytest.raises(OutOfMemoryError) as raised:
        compare(ScorerSlot(lambda: FakeScorer(error=OutOfMemoryError("no room"))), Inputs("p", "a", "b"), CHINESE)
    assert words_of(raised.value, CHINESE).startswith("内存不足")
    assert str(api_error(raised.value, ENGLISH)) == repr("no room")


def test_a_pasted_conversation_that_is_none():
    for pasted in ([{"role": "user"}], [{"role": "user", "content": " "}], [{"role": "dog", "content": "x"}], {}):
        with pytest.raises(InputError) as raised:
            parse_conversation(json.dumps(pasted), CHINESE)
        assert "英文原文" in words_of(raised.value, CHINESE)


def test_a_model_that_cannot_be_loaded():
    def fail():
        raise CheckpointError("layer 3 is missing")

    slot = ScorerSlot(fail)
    with pytest.raises(ModelNotReadyError) as raised:
        slot.get(10)
    due = words.CHINESE["CheckpointError"].format(message="layer 3 is missing")
    assert words_of(raised.value, CHINESE) == due
    status = model_status(slot, "m")
    for markup in (
        status_view.render_status(CHINESE, status),
        status_view.render_announcement(CHINESE, status),
        about_view.render_model(CHINESE, status),
    ):
        assert due in markup


def test_a_bad_row_of_a_file():
    columns = Columns("prompt", "a", "b", None)
    row = score_row(FakeScorer(), {"prompt": "p", "a": "", "b": "y"}, columns, 1)
    (cells,) = batch_view.table_rows(CHINESE, [row], 0.05)
    assert cells[-1].startswith("输入的内容无法打分")
    assert row.error == "a is empty."
    (cells,) = batch_view.table_rows(ENGLISH, [row], 0.05)
    assert cells[-1] == "a is empty."

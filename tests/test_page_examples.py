"""The examples on the page: each can be scored, is named in both languages, and shows what it is there for."""

from __future__ import annotations

import pytest

from inform_demo.types import build_conversations
from inform_demo.ui.examples import EXAMPLES, ORANGES, Example, published_rewards
from inform_demo.ui.handlers import MAX_EXCHANGES
from inform_demo.ui.texts import LANGUAGES
from tests.doubles import FakeScorer


def named(label: str) -> Example:
    (example,) = (example for example in EXAMPLES if example.label == label)
    return example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)
def test_an_example_is_a_conversation_that_the_page_has_fields_for(example):
    pair = build_conversations(
        example.prompt, (example.response_a, example.response_b), earlier_turns=example.earlier_turns
    )
    assert FakeScorer().compare_conversations(*pair).n_tokens_a > 0
    assert example.response_a != example.response_b
    assert len(example.earlier_turns) <= 2 * MAX_EXCHANGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_example_has_a_name_of_its_own_in_every_language(language):
    labels = [example.label_in(language) for example in EXAMPLES]
    assert len(set(labels)) == len(EXAMPLES)
    assert language == "en" or not {example.label for example in EXAMPLES} & set(labels)


def test_a_language_without_names_shows_the_english_ones():
    assert ORANGES.label_in("fr") == ORANGES.label_in("en") == "Oranges"


def test_what_a_visitor_should_see_is_there():
    labels = {
        "Oranges",
        "Refusal",
        "Code with a bug",
        "Long or short",
        "Polite but wrong",
        "Close call",
        "Several turns",
    }
    assert {example.label for example in EXAMPLES} == labels
    assert [example.label for example in EXAMPLES if example.published_rewards] == ["Oranges"]
    assert [example.label for example in EXAMPLES if example.earlier_turns] == ["Several turns"]


def test_the_code_has_a_bug_in_one_answer_only():
    example = named("Code with a bug")
    results = []
    for answer in (example.response_a, example.response_b):
        names: dict = {}
        exec(answer, names)  # noqa: S102 - our own two lines
        results.append([names["largest"](numbers) for numbers in ([], [1, 3, 2], [-5, -2])])
    assert results == [[0, 3, 0], [None, 3, -2]]


def test_the_long_answer_is_longer_and_both_are_right():
    example = named("Long or short")
    assert len(example.response_b) > 10 * len(example.response_a)
    assert "Canberra" in example.response_a
    assert "Canberra" in example.response_b


def test_the_answers_of_the_close_call_differ_in_the_name_only():
    example = named("Close call")
    assert example.response_a.replace("Salt & Crumb", "Crumb & Salt") == example.response_b


def test_other_texts_have_no_published_rewards():
    assert published_rewards(ORANGES.prompt, ORANGES.response_a, ORANGES.response_b) == ORANGES.published_rewards
    for example in EXAMPLES[1:]:
        assert published_rewards(example.prompt, example.response_a, example.response_b) is None

"""Answers to rank as they are given: pasted, from a file, and checked."""

from __future__ import annotations

import json

import pytest

from inform_demo.errors import ConversationTooLongError, EmptyTextError, InformError, InputError, InvalidTextError
from inform_demo.slot import ScorerSlot
from inform_demo.ui import rank_inputs
from inform_demo.ui.rank_inputs import MAX_DEPTH, MAX_FILE_BYTES, RankOutcome, parse_file, parse_pasted
from inform_demo.ui.texts import CHINESE, ENGLISH
from tests.doubles import FakeScorer


def rank(*answers, prompt="which?", system="", scorer=None, t=ENGLISH) -> RankOutcome:
    scorer = scorer or FakeScorer()
    return rank_inputs.rank(ScorerSlot(lambda: scorer), prompt, list(answers), system, t)


def test_pasted_answers_are_split_at_lines_of_three_dashes():
    pasted = "one\n---\n\n  two\n\nmore --- two  \n \t--- \t\r\nthree\r\n- - -\n----\n"
    assert parse_pasted(pasted).responses == ("one", "  two\n\nmore --- two", "three\n- - -\n----")
    assert (parse_pasted(pasted).prompt, parse_pasted(pasted).system) == (None, None)


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("  ", "Answers, one after another is empty"),
        ("only one", "Expected 2 to 16 answers; got 1. Separate the answers by a line that holds ---"),
        ("\n---\n".join("abcdefghijklmnopq"), "Expected 2 to 16 answers; got 17."),
        ("a\n---\n  \n---\nc", "Answer 2 of 3 is empty"),
        ("a\n---\n", "Answer 2 of 2 is empty"),
    ],
)
def test_what_is_wrong_with_a_pasted_text_is_said_with_numbers(pasted, message):
    with pytest.raises(InputError, match=message):
        parse_pasted(pasted)


def test_sixteen_pasted_answers_are_taken():
    assert parse_pasted("\n---\n".join("abcdefghijklmnop")).responses == tuple("abcdefghijklmnop")


def read(value: object, name: str = "answers.json"):
    text = value if isinstance(value, str) else json.dumps(value)
    return parse_file(name, len(text.encode("utf-8", "surrogatepass")), text)


def test_a_list_leaves_the_prompt_and_an_object_brings_one():
    assert read(["a", " b\n"]) == rank_inputs.GivenAnswers(("a", " b\n"))
    assert read({"prompt": "p", "responses": ["a", "b"]}) == rank_inputs.GivenAnswers(("a", "b"), "p", "")
    given = read({"system": "s", "responses": ["a", "b"], "prompt": "p"})
    assert given == rank_inputs.GivenAnswers(("a", "b"), "p", "s")
    assert read("\ufeff" + json.dumps(["ä", "b"])).responses == ("ä", "b")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('["a",\n  "b",,]', r"answers.json is not valid JSON: line 2, column 7: "),
        ('["a"', "answers.json is not valid JSON: line 1, column 5: "),
        ("", "answers.json is not valid JSON: line 1, column 1: "),
        ('"text"', 'Expected a list of texts, or an object with "prompt" and "responses"; answers.json holds text'),
        ("1" * 5000, "answers.json holds number"),
        ("null", "answers.json holds null"),
        (["a"], "Expected 2 to 16 answers; got 1."),
        ([], "Expected 2 to 16 answers; got 0."),
        (["a"] * 17, "Expected 2 to 16 answers; got 17."),
        (["a", "b", " "], "Answer 3 of 3 is empty"),
        (["a", None], "Answer 2 of 2 is empty"),
        (["a", 7], "Answer 2 must be text; got number"),
        (["a", ["b"]], "Answer 2 must be text; got list"),
        ({"responses": ["a", "b"]}, 'has no "prompt"'),
        ({"prompt": "p"}, 'has no "responses"'),
        ({"prompt": " ", "responses": ["a", "b"]}, "Prompt is empty"),
        ({"prompt": "p", "responses": "ab"}, 'Expected a list of texts under "responses"; got text'),
        ({"prompt": "p", "responses": ["a", "b"], "system": 3}, "System prompt must be text; got float"),
        ({"prompt": "p", "responses": ["a", "b"], "sytem": "s"}, 'answers.json also has "sytem"'),
    ],
)
def test_what_is_wrong_with_a_file_is_said(value, message):
    with pytest.raises(InputError, match=message):
        read(value)


def test_a_file_over_the_limit_is_refused_with_both_numbers_whatever_size_it_claims():
    for claimed, text in ((MAX_FILE_BYTES + 1, None), (10, "é" * (MAX_FILE_BYTES // 2 + 1)), (float(2**30), "[]")):
        with pytest.raises(InputError, match=r"big.json has [\d,]+ bytes; the limit is 1,048,576\."):
            parse_file("big.json", claimed, text)
    assert len(parse_file("fits.json", 1, json.dumps(["x" * 1000] * 16)).responses) == 16


def test_bytes_that_are_no_utf8_are_told():
    with pytest.raises(InputError, match=r"photo.json is not text in UTF-8"):
        parse_file("photo.json", 20, None)


def test_depth_is_bounded_and_brackets_in_texts_do_not_count():
    too_deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    with pytest.raises(InputError, match=f"nested {MAX_DEPTH + 1} levels deep; the limit is {MAX_DEPTH}"):
        read(too_deep)
    with pytest.raises(InputError, match="nested 500,000 levels deep"):
        read("[" * 500_000)
    with pytest.raises(InputError, match="must be text; got list"):
        read(["a", [[[[[[]]]]]]])
    quoted = ["[" * 50 + '"' + "{" * 50, "\\"]
    assert read(quoted).responses == tuple(quoted)


@pytest.mark.parametrize("text", ['"' * 999_999, '\\"' * 500_000, '"' + '\\"' * 500_000, "[" + '"a\\' * 300_000])
def test_a_hostile_file_is_refused_without_an_unforeseen_error(text):
    with pytest.raises(InputError):
        read(text)


@pytest.mark.parametrize("value", ['["a", "\\ud800"]', '{"prompt": "\\udfff", "responses": ["a", "b"]}'])
def test_half_a_surrogate_pair_in_a_file_is_named(value):
    with pytest.raises(InvalidTextError, match=r"^(Answer 2|Prompt): .* not valid Unicode"):
        read(value)


def test_messages_can_be_sent_even_if_names_in_the_file_cannot():
    with pytest.raises(InputError) as caught:
        read('{"prompt": "p", "responses": ["a", "b"], "\\ud800": 1}', name="x" * 300)
    assert str(caught.value).encode("utf-8")
    assert "x" * 81 not in str(caught.value)


def test_the_texts_are_handed_on_unchanged_and_the_outcome_keeps_them():
    outcome = rank(" one\n", "one two three", "one two", system=" ")
    assert outcome.responses == (" one\n", "one two three", "one two")
    assert [answer.index for answer in outcome.ranking.answers] == [1, 2, 0]


@pytest.mark.parametrize(
    ("prompt", "responses", "message"),
    [
        ("", ["a", "b"], "^Prompt is empty"),
        ("p", ["a", "b", "\n"], "^Answer 3 is empty: write or paste some text there, or remove it"),
        ("p", ["a"], r"^Expected 2 to 16 answers; got 1\."),
        ("p", ["a"] * 17, r"^Expected 2 to 16 answers; got 17\."),
        ("p", "ab", "got text"),
        ("p", None, "got null"),
        ("p", ["a", 3], "^Answer 2 must be text; got number"),
        ("p", ["a", "\ud800"], "^Answer 2: .* not valid Unicode"),
    ],
)
def test_a_fault_names_the_field_and_nothing_is_scored(prompt, responses, message):
    scorer = FakeScorer()
    with pytest.raises(InputError, match=message):
        rank_inputs.rank(ScorerSlot(lambda: scorer), prompt, responses)
    assert not scorer.started.is_set()


def test_an_answer_over_the_limit_is_named_with_both_numbers():
    scorer = FakeScorer(error=ConversationTooLongError(8200, 8192, "Conversation 2"))
    with pytest.raises(InputError, match=r"Answer 2 with its prompt has 9,003 tokens; the limit is 8,192"):
        rank("one", "word " * 9000, scorer=scorer)
    with pytest.raises(InputError, match="Conversation 2 has 8,200 tokens"):
        rank("one", "two", scorer=scorer)


def test_faults_are_told_in_the_visitors_language():
    with pytest.raises(EmptyTextError, match="回答 2为空"):
        rank("a", " ", t=CHINESE)


def test_every_fault_is_one_of_ours():
    for parse in (lambda: parse_file(None, None, None), lambda: parse_file("x", "y", 3), lambda: parse_pasted(None)):
        with pytest.raises(InformError):
            parse()


def test_the_example_can_be_ranked():
    given = rank_inputs.EXAMPLE
    outcome = rank(*given.responses, prompt=given.prompt)
    assert len(outcome.ranking.answers) == len(given.responses) >= 3

"""The Rank tab without a browser: pasted and opened answers, and the HTML of a ranking."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from inform_demo.errors import ConversationTooLongError, EmptyTextError, InformError, InputError, InvalidTextError
from inform_demo.slot import ScorerSlot
from inform_demo.types import RankedAnswer, Ranking
from inform_demo.ui import rank_inputs, rank_view
from inform_demo.ui.rank_inputs import MAX_DEPTH, MAX_FILE_BYTES, RankOutcome, parse_file, parse_pasted
from inform_demo.ui.texts import CHINESE, ENGLISH
from tests.doubles import REPORT, FakeScorer

NASTY = "<img src=x onerror=\"window.hacked='img'\"><script>1</script>${window.hacked}{{constructor}}\u202e"


def rank(*answers, prompt="which?", system="", scorer=None, t=ENGLISH) -> RankOutcome:
    scorer = scorer or FakeScorer()
    return rank_inputs.rank(ScorerSlot(lambda: scorer), prompt, list(answers), system, t)


def outcome_of(*rewards: float, responses: tuple[str, ...] = (), is_embedded: bool = True) -> RankOutcome:
    """An outcome with these rewards, in the order given; beliefs are made up but recognisable."""
    n = len(rewards)
    answers = sorted(
        (
            RankedAnswer(i, 1 + sum(other > reward for other in rewards), reward, 0.25, 100 + i)
            for i, reward in enumerate(rewards)
        ),
        key=lambda answer: (answer.rank, answer.index),
    )
    matrix = tuple(tuple(0.5 if i == j else (10 * i + j) / 100 for j in range(n)) for i in range(n))
    ranking = Ranking(tuple(answers), matrix, 12, 0.5, "some-model", "bf16")
    return RankOutcome(responses or ("text",) * n, ranking, replace(REPORT, is_embedded=is_embedded))


class Tags(HTMLParser):
    """Every tag and attribute of some HTML, and its text by tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in {"td", "th"}:
            self.cells.append("")
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.cells[-1] += data.replace("\N{NO-BREAK SPACE}", " ")


# --- Pasted answers


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


# --- Files


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


# --- Ranking what was given


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


# --- HTML


@pytest.mark.parametrize(
    ("rewards", "sentence"),
    [
        ((0.0, 5.0, 1.0), "Answer 2 is ranked first, clearly ahead of Answer 3"),
        ((0.0, 2.0), "Answer 2 is ranked first, ahead of Answer 1"),
        ((0.5, 0.0), "Answer 1 is ranked first, slightly ahead of Answer 2"),
        ((0.1, 0.0), "Answer 1 is ranked first, but too close to Answer 2 to call"),
        ((4.0, 0.0, 0.0), "Answer 1 is ranked first, clearly ahead of Answer 2 and Answer 3"),
        ((4.0, 4.0, 0.0), "Answer 1 and Answer 2 share first place, clearly ahead of Answer 3"),
        ((0.0, 4.0, 4.0, 4.0), "Answer 2, Answer 3 and Answer 4 share first place, clearly ahead of Answer 1"),
        ((1.0, 1.0, 1.0), "All 3 answers get the same reward and share first place"),
    ],
)
def test_the_verdict_is_a_sentence(rewards, sentence):
    outcome = outcome_of(*rewards)
    assert rank_view.describe_ranking(ENGLISH, outcome.ranking, 0.05) == sentence
    assert f"<strong>{sentence}</strong>" in rank_view.render_verdict(ENGLISH, outcome, 0.05)


def test_the_tie_band_and_the_language_reach_the_verdict():
    ranking = outcome_of(1.0, 0.0).ranking
    assert "too close" in rank_view.describe_ranking(ENGLISH, ranking, 0.3)
    assert rank_view.describe_ranking(CHINESE, ranking, 0.05) == "回答 1 排名第一，优于回答 2"


def test_only_the_demonstration_model_bears_its_warning():
    for is_embedded in (True, False):
        html = rank_view.render_verdict(ENGLISH, outcome_of(1, 0, is_embedded=is_embedded), 0.05)
        assert (ENGLISH.page.embedded_warning in html) == is_embedded


def test_the_ranked_table_has_place_name_reward_belief_and_tokens():
    outcome = outcome_of(0.5, 2.0, -1.234, 0.5, responses=("first", "second", "third", "fourth"))
    html = rank_view.render_ranked(ENGLISH, outcome)
    cells = Tags(html).cells
    assert cells[:5] == ["Place", "Answer", "Reward", "Belief to beat one of the others", "Tokens, prompt included"]
    rows = [cells[i : i + 5] for i in range(5, len(cells), 5)]
    assert [row[0] for row in rows] == ["1", "2, shared", "2, shared", "4"]
    assert [row[1] for row in rows] == ["Answer 2second", "Answer 1first", "Answer 4fourth", "Answer 3third"]
    assert [row[2] for row in rows] == ["2.00−50+5", "0.50−50+5", "0.50−50+5", "−1.23−50+5"]
    assert [row[3:] for row in rows] == [["25 %", "101"], ["25 %", "100"], ["25 %", "103"], ["25 %", "102"]]
    assert "The 12 tokens with which all 4 conversations begin" in html
    assert "Computed in 0.50 s by some-model in bf16." in html


def test_the_longer_bar_is_the_higher_reward_on_one_scale():
    html = rank_view.render_ranked(ENGLISH, outcome_of(10.0, -5.0, 0.0))
    assert re.findall(r'style="width:([\d.]+)%"', html) == ["100.00", "50.00", "25.00"]
    assert html.count("<span>+10</span>") == 3


def test_a_long_answer_is_shortened_in_the_table():
    html = rank_view.render_ranked(ENGLISH, outcome_of(1, 0, responses=("word " * 500, "x\n\n y")))
    assert "word…" in html
    assert len(html) < 5000
    assert ">x y</bdi>" in html


def test_the_matrix_is_in_the_order_of_the_ranking_with_headers_both_ways():
    ranking = outcome_of(0.0, 2.0, 1.0).ranking
    html = rank_view.render_matrix(ENGLISH, ranking)
    cells = Tags(html).cells
    names = ["Answer 2", "Answer 3", "Answer 1"]
    assert cells[:4] == ["", *names]
    assert cells[4:8] == ["Answer 2", "–", "12 %", "10 %"]
    assert cells[8:12] == ["Answer 3", "21 %", "–", "20 %"]
    assert cells[12:] == ["Answer 1", "1 %", "2 %", "–"]
    assert html.count('scope="col"') == html.count('scope="row"') == 3
    assert "--shade:5.4%" in html


def test_the_plot_shows_the_tables_numbers():
    ranking = outcome_of(0.5, 2.0, -1.0).ranking
    assert rank_view.bar_points(ranking) == {"answer": ["2", "1", "3"], "reward": [2.0, 0.5, -1.0]}


def test_whatever_was_typed_is_text():
    outcome = outcome_of(1, 0, responses=(NASTY, NASTY))
    outcome = replace(outcome, ranking=replace(outcome.ranking, model=NASTY, precision=NASTY))
    pages = [
        rank_view.render_ranked(ENGLISH, outcome),
        rank_view.render_error(ENGLISH, NASTY),
        rank_view.render_refusal(ENGLISH, NASTY),
        rank_view.render_note(NASTY),
    ]
    for html in pages:
        parsed = Tags(html)
        assert not {"img", "script", "a"} & set(parsed.tags)
        assert not [name for name, _ in parsed.attributes if name.startswith("on")]
        assert "&lt;img src=x" in html


def test_the_bound_of_a_file_is_said_beside_its_field():
    for t in (ENGLISH, CHINESE):
        html = rank_view.render_file_field(t)
        assert f"{MAX_FILE_BYTES:,}" in html
        assert f'data-limit="{MAX_FILE_BYTES}"' in html


def test_the_example_can_be_ranked():
    given = rank_inputs.EXAMPLE
    outcome = rank(*given.responses, prompt=given.prompt)
    assert len(outcome.ranking.answers) == len(given.responses) >= 3


def test_every_fault_is_one_of_ours():
    for parse in (lambda: parse_file(None, None, None), lambda: parse_file("x", "y", 3), lambda: parse_pasted(None)):
        with pytest.raises(InformError):
            parse()

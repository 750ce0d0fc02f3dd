"""Exports, each read back by a parser that is not ours."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from inform_demo.types import LoadReport, Message, build_conversations
from inform_demo.ui import export
from inform_demo.ui.export import EXPORTS, neutralised
from inform_demo.ui.handlers import Inputs, Outcome
from inform_demo.ui.result_panel import _export
from tests.doubles import REPORT, FakeScorer

calm = settings(deadline=None)  # a busy machine is no fault

ADDRESS = "http://127.0.0.1:7860/"

NASTY = (
    'it\'s a "test" $(id) `id` $HOME \\n \\',
    "a\nb\r\nc\rd\n\n",
    "```\n~~~\n````` x ``",
    "nul \0 inside",
    "\u202eright to left\u202c שלום \u2028 \u200b",
    '=HYPERLINK("http://x")\t+1 -1 @x',
    "-x --json",
    "JSON\nJSON\nEOF\n",
    "</textarea><script>alert(1)</script> | a | b |",
    "日本語 😀 \x1b[31m \x7f",
)

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.text("`'\"\\\n\r\t $=+-@|<>\0#*J", min_size=1, max_size=40),
).filter(str.strip)
exchanges = st.lists(st.tuples(texts, texts), max_size=2)


@st.composite
def inputs(draw):
    turns = [
        Message(role, text) for pair in draw(exchanges) for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return Inputs(draw(texts), draw(texts), draw(texts), draw(st.one_of(st.just(""), texts)), tuple(turns))


def outcome_of(given: Inputs, published=None, report: LoadReport = REPORT, **changes) -> Outcome:
    pair = build_conversations(given.prompt, (given.response_a, given.response_b), given.system, given.earlier_turns)
    comparison, trace_a, trace_b = FakeScorer().trace_conversations(*pair)
    return Outcome(given, replace(comparison, **changes), trace_a, trace_b, report, published, 1_700_000_000.25)


def turns_of(given: Inputs) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in given.earlier_turns]


def simple(**changes) -> Outcome:
    return outcome_of(Inputs("which?", "one two three", "one"), **changes)


def test_every_format_has_a_name_and_gives_text():
    assert next(iter(EXPORTS)) == "JSON"
    for make in EXPORTS.values():
        assert make(simple(), ADDRESS).strip()


@calm
@given(inputs())
def test_json_has_every_text_and_every_digit(values):
    outcome = outcome_of(values, published=(4.96875, 2.890625), reward_a=0.1 + 0.2, margin=1e-17)
    read = json.loads(EXPORTS["JSON"](outcome, ADDRESS))
    assert read["inputs"] == {
        "prompt": values.prompt,
        "response_a": values.response_a,
        "response_b": values.response_b,
        "system": values.system,
        "earlier_turns": turns_of(values),
    }
    assert read["comparison"] == outcome.comparison.to_dict()
    assert read["trace_a"]["values"] == list(outcome.trace_a.values)
    assert "".join(read["trace_b"]["pieces"]) == "".join(outcome.trace_b.pieces)
    assert read["published_rewards"] == [4.96875, 2.890625]


def test_json_says_what_computed_it_and_when():
    report = replace(REPORT, versions={"torch": "2.13.0", "inform-demo": "0.1.0"}, revision="abc123")
    provenance = json.loads(EXPORTS["JSON"](simple(report=report), ADDRESS))["provenance"]
    assert provenance["versions"] == {"torch": "2.13.0", "inform-demo": "0.1.0"}
    assert provenance["revision"] == "abc123"
    assert provenance["precision_reason"] == REPORT.precision_reason
    assert provenance["finished_at"] == "2023-11-14T22:13:20+00:00"


def test_json_stays_json_where_the_head_gave_no_number_half_way():
    outcome = simple()
    outcome = replace(outcome, trace_a=replace(outcome.trace_a, values=(float("nan"), float("inf"), 0.5)))
    read = json.loads(EXPORTS["JSON"](outcome, ADDRESS), parse_constant=pytest.fail)
    assert read["trace_a"]["values"] == [None, None, 0.5]


@calm
@given(inputs())
def test_csv_is_one_row_whose_texts_come_back_and_start_no_formula(values):
    outcome = outcome_of(values, reward_a=-0.1 - 0.2, margin=-1e-17)
    header, *rows = csv.reader(io.StringIO(EXPORTS["CSV"](outcome, ADDRESS), newline=""))
    (row,) = (dict(zip(header, cells, strict=True)) for cells in rows)
    for name in ("prompt", "response_a", "response_b", "system"):
        assert row[name].removeprefix("'") == getattr(values, name).removeprefix("'")
        assert row[name].lstrip()[:1] not in set("=+-@＝＋－＠")
        assert row[name][:1] not in {"\t", "\r", "\n"}
    assert (json.loads(row["earlier_turns"]) if row["earlier_turns"] else []) == turns_of(values)
    assert float(row["reward_a"]) == outcome.comparison.reward_a
    assert row["margin"] == "-1e-17"


def test_csv_quotes_texts_and_leaves_numbers_bare():
    reader = csv.reader(io.StringIO(EXPORTS["CSV"](simple(), ADDRESS), newline=""), quoting=csv.QUOTE_NONNUMERIC)
    row = dict(zip(*reader, strict=True))
    assert row["margin"] == pytest.approx(0.2)
    assert row["n_tokens_a"] == 6.0
    assert row["model"] == "fake-reward-model"


@pytest.mark.parametrize("text", ["=1+1", " \t=1+1", "\n=1", "-2", "+x", "@SUM(A1)", "\tx", "\rx", "＝1"])
def test_a_formula_gets_an_apostrophe(text):
    assert neutralised(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "x=1", "'=1", "1-1", "a@b"])
def test_other_texts_stay_as_they_are(text):
    assert neutralised(text) == text


def as_markdown_reads(text: str) -> str:
    return re.sub(r"\r\n?", "\n", text).replace("\0", "\ufffd")


@calm
@given(inputs())
def test_markdown_keeps_every_text_inside_its_fence(values):
    tokens = MarkdownIt("commonmark").enable("table").parse(EXPORTS["Markdown"](outcome_of(values), ADDRESS))
    fences = [token.content.removesuffix("\n") for token in tokens if token.type == "fence"]
    given_texts = [
        *([values.system] if values.system else []),
        *(turn.content for turn in values.earlier_turns),
        values.prompt,
        values.response_a,
        values.response_b,
    ]
    assert fences == [as_markdown_reads(text) for text in given_texts]
    assert not [token for token in tokens if token.type in {"html_block", "code_block"}]
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[-1] == "How this was computed"
    assert len(headings) == len(given_texts) + 2


def test_markdown_says_the_verdict_and_shows_published_rewards_beside_ours():
    report = EXPORTS["Markdown"](simple(published=(4.96875, 2.890625)), ADDRESS)
    assert report.startswith("# Too close to call\n\n**Small demonstration model: do not rely on its judgement.**\n")
    assert "| fake-reward-model | -0.70 | -0.90 | +0.20 |" in report
    assert "| 4.97 | 2.89 | +2.08 |" in report
    other = EXPORTS["Markdown"](simple(margin=4.0, preferred="a", report=replace(REPORT, is_embedded=False)), ADDRESS)
    assert other.startswith("# Answer A is clearly better\n")
    assert "demonstration" not in other


def test_a_models_name_cannot_break_the_table():
    report = replace(REPORT, model="a|b`c<b>*d*\n| e")
    html = MarkdownIt("commonmark").enable("table").render(EXPORTS["Markdown"](simple(report=report), ADDRESS))
    assert "<td>a|b`c&lt;b&gt;*d* | e</td>" in html


def test_the_verdict_follows_the_servers_tie_band():
    assert export.verdict_words(simple(margin=1.0, preferred="tie")) == "Too close to call"
    assert export.verdict_words(simple(margin=-0.01, preferred="b")) == "Answer B is slightly better"


@pytest.mark.parametrize(("percent", "words"), [(2, "Answer A is slightly better"), (5, "Too close to call")])
def test_every_export_calls_a_tie_what_the_page_calls_one(percent, words):
    outcome = simple(margin=0.16, preferred="tie" if percent == 2 else "a")  # a belief of 54 %
    assert _export(outcome, "Markdown", ADDRESS, percent).startswith(f"# {words}\n")
    preferred = json.loads(_export(outcome, "JSON", ADDRESS, percent))["comparison"]["preferred"]
    (row,) = csv.DictReader(io.StringIO(_export(outcome, "CSV", ADDRESS, percent), newline=""))
    (example,) = json.loads(_export(outcome, "LLM Comparator (JSON)", ADDRESS, percent))["examples"]
    assert preferred == row["preferred"] == ("a" if percent == 2 else "tie")
    assert example["individual_rater_scores"][0]["rating_label"] == words


@calm
@given(inputs())
def test_the_llm_comparator_file_has_the_fields_that_tool_reads(values):
    read = json.loads(EXPORTS["LLM Comparator (JSON)"](outcome_of(values), ADDRESS))
    (example,) = read["examples"]
    assert example["output_text_a"] == values.response_a
    assert example["output_text_b"] == values.response_b
    for text in (values.prompt, values.system, *(turn.content for turn in values.earlier_turns)):
        assert text in example["input_text"]
    assert values.system or values.earlier_turns or example["input_text"] == values.prompt
    assert isinstance(example["tags"], list)
    assert {field["name"] for field in read["metadata"]["custom_fields_schema"]} == set(example["custom_fields"])
    assert isinstance(read["metadata"]["source_path"], str)
    assert [set(model) for model in read["models"]] == [{"name"}, {"name"}]
    for rating in example["individual_rater_scores"]:
        assert set(rating) >= {"score", "rating_label", "is_flipped", "rationale", "custom_fields"}


@pytest.mark.parametrize(("probability", "sign"), [(0.0, -1), (0.2, -1), (0.5, 0), (0.9, 1), (1.0, 1)])
def test_llm_comparators_score_has_the_sign_of_the_margin_and_stays_below_one(probability, sign):
    example = json.loads(EXPORTS["LLM Comparator (JSON)"](simple(preference_probability=probability), ADDRESS))
    score = example["examples"][0]["score"]
    assert (score > 0) - (score < 0) == sign
    assert -1 < score < 1

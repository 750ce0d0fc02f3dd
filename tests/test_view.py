from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from string import Formatter

import pytest

from inform_demo.errors import LoadError
from inform_demo.preference import preference_probability, resolve_preferred
from inform_demo.types import Comparison, RewardTrace
from inform_demo.ui import result_view, status_view, view
from inform_demo.ui.handlers import Inputs, ModelStatus, Outcome
from inform_demo.ui.texts import ENGLISH, LANGUAGES, flatten, resolve_texts
from tests.doubles import REPORT

NASTY = "<img src=x onerror=alert(1)>'\"&{{constructor}}${document.title}"
VOID = {"br", "img"}


class Outline(HTMLParser):
    """Checks that elements nest, and gathers their names, attributes and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data}".replace("\N{NO-BREAK SPACE}", " ")


def outcome(reward_a: float, reward_b: float, *, is_embedded: bool = True, model: str = "m", published=None) -> Outcome:
    margin = reward_a - reward_b
    comparison = Comparison(
        reward_a=reward_a,
        reward_b=reward_b,
        margin=margin,
        preference_probability=preference_probability(margin),
        preferred=resolve_preferred(margin),
        n_tokens_a=1234,
        n_tokens_b=86,
        n_tokens_shared=34,
        elapsed_s=0.318,
        model=model,
        precision="bf16",
    )
    trace = RewardTrace(("word", ""), (0.5, reward_a))
    report = replace(REPORT, model=model, is_embedded=is_embedded)
    return Outcome(Inputs("p", "word", "word"), comparison, trace, trace, report, published, 0.0)


def traced(response_a: str, response_b: str) -> Outcome:
    pieces_a, pieces_b = ((*re.findall(r"\s*\S+", response), "") for response in (response_a, response_b))
    trace_a, trace_b = (
        RewardTrace(pieces, tuple(i / 4 for i in range(len(pieces)))) for pieces in (pieces_a, pieces_b)
    )
    inputs = Inputs("p", response_a, response_b)
    return replace(outcome(1, 0), inputs=inputs, trace_a=trace_a, trace_b=trace_b)


@pytest.mark.parametrize(
    ("value", "signed", "expected"),
    [
        (4.96875, False, "4.97"),
        (-0.004, False, "0.00"),
        (-0.004, True, "0.00"),
        (2.078125, True, "+2.08"),
        (-12.5, True, "−12.50"),
        (-12.5, False, "−12.50"),
        (12345.678, False, "12,345.68"),
    ],
)
def test_rewards_have_two_decimals_and_a_true_sign(value, signed, expected):
    assert view.format_reward(value, signed) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.5, "50 %"),
        (0.889, "89 %"),
        (0.994, "99 %"),
        (0.995, "> 99 %"),
        (1.0, "> 99 %"),
        (0.006, "1 %"),
        (0.0, "< 1 %"),
    ],
)
def test_percentages_never_claim_certainty_and_never_break(p, expected):
    assert view.format_percent(p) == expected.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("rewards", "words"),
    [
        ((4.96875, 2.890625), "Answer A is better"),
        ((0.0, 4.0), "Answer B is clearly better"),
        ((0.5, 0.0), "Answer A is slightly better"),
        ((1.0, 0.9), "Too close to call"),
        ((2.0, 2.0), "Too close to call"),
    ],
)
def test_the_verdict_says_it_in_words(rewards, words):
    markup = view.render_verdict(ENGLISH, outcome(*rewards), 0.05)
    assert words in Outline(markup).text
    (icon,) = re.findall(r'<p class="headline"><span class="mark (mark-\w+)"', markup)
    assert icon == f"mark-{'tie' if words == 'Too close to call' else words.split()[1].lower()}"


def test_the_tie_band_of_the_server_decides():
    assert "Too close to call" in view.render_verdict(ENGLISH, outcome(1.0, 0.0), 0.3)
    assert "up to 80 %" in Outline(view.render_words(ENGLISH, 0.3)).text


def bars(markup: str) -> list[float]:
    return [float(width) for width in re.findall(r'class="bar bar-[ab]" style="width:([\d.]+)%"', markup)]


def test_the_longer_bar_is_the_higher_reward_on_one_scale():
    assert bars(view.render_verdict(ENGLISH, outcome(2.5, -1.0), 0.05)) == [75.0, 40.0]
    assert bars(view.render_verdict(ENGLISH, outcome(-4.0, -2.0), 0.05)) == [10.0, 30.0]
    assert bars(view.render_verdict(ENGLISH, outcome(20.0, -10.0), 0.05)) == [100.0, 25.0]
    text = Outline(view.render_verdict(ENGLISH, outcome(19.2, -10.0), 0.05)).text
    assert "−20" in text
    assert "+20" in text


@pytest.mark.parametrize(("a", "b", "margin"), [(-3.1545, -2.3889, "−0.76"), (1.006, 1.0, "+0.01"), (2.0, 2.0, "0.00")])
def test_the_margin_is_what_subtracting_the_shown_rewards_gives(a, b, margin):
    text = Outline(view.render_verdict(ENGLISH, outcome(a, b), 0.05)).text
    assert f"Margin (A − B): {margin} " in " ".join(text.split())


def test_belief_adds_up_and_names_both_answers():
    text = Outline(view.render_verdict(ENGLISH, outcome(4.96875, 2.890625), 0.05)).text
    assert "Answer A: 89 %" in text
    assert "Answer B: 11 %" in text
    assert "The model’s belief that each answer is the better one" in text
    widths = re.findall(
        r'class="bar-[ab]" style="width:([\d.]+)%"', view.render_verdict(ENGLISH, outcome(4.96875, 2.890625), 0.05)
    )
    assert sum(map(float, widths)) == pytest.approx(100, abs=0.011)


def test_only_the_embedded_model_carries_the_warning_and_the_way_out():
    embedded = view.render_verdict(ENGLISH, outcome(1, 0), 0.05)
    assert "Small demonstration model: do not rely on its judgement." in embedded
    assert "INFORM_MODEL=infly/INF-ORM-Llama3.1-70B python app.py" in embedded
    assert "demonstration" not in view.render_verdict(ENGLISH, outcome(1, 0, is_embedded=False), 0.05)


@pytest.mark.parametrize(
    ("a", "b", "band", "differs"),
    [(1.5, 1, 0.05, False), (1, 1.5, 0.05, True), (1.5, 1.5, 0.05, False), (1, 1.5, 0.3, False)],
)
def test_a_model_that_prefers_the_wrong_answer_says_so_directly_under_the_headline(a, b, band, differs):
    markup = view.render_verdict(ENGLISH, outcome(a, b, published=(4.96875, 2.890625)), band)
    after = markup.partition('<p class="headline">')[2].partition("</p>")[2]
    assert after.startswith(f'<p class="differs">{ENGLISH.compare.published_differs}</p>') is differs
    assert "wrong here" not in view.render_verdict(ENGLISH, outcome(a, b), band)


def test_only_a_finished_verdict_is_taken_for_one():
    assert view.is_verdict(view.render_verdict(ENGLISH, outcome(1, 0), 0.05))
    forged = view.render_error(ENGLISH, 'class="verdict" data-words="x"')
    for other in (view.render_empty(ENGLISH), view.render_busy(ENGLISH), forged):
        assert not view.is_verdict(other)


def test_published_rewards_stand_beside_ours():
    text = Outline(view.render_details(ENGLISH, outcome(1.5, 1.25, published=(4.96875, 2.890625)))).text
    for part in ("1.50", "1.25", "+0.25", "Published for INF-ORM-70B in bf16 on a GPU", "4.97", "2.89", "+2.08"):
        assert part in text
    assert "Published" not in view.render_details(ENGLISH, outcome(1.5, 1.25))


def test_the_words_are_explained_in_percent():
    text = Outline(view.render_words(ENGLISH, 0.05)).text
    for part in ("up to 55 %", "up to 73 %", "up to 95 %", "above 95 %"):
        assert part in text


@pytest.mark.parametrize(
    ("tie_band", "bounds"), [(0.05, [55, 73, 95, 95]), (0.3, [80, 95, 95]), (0.49, [99, 99]), (0, [50, 73, 95, 95])]
)
def test_a_wide_band_takes_the_place_of_the_words_within_it(tie_band, bounds):
    text = Outline(view.render_words(ENGLISH, tie_band)).text
    assert [int(percent) for percent in re.findall(r"(?:up to|above) (\d+) %", text)] == bounds


def test_the_count_says_by_how_much_a_text_is_too_long():
    assert "90 of 100 tokens" in view.render_count(ENGLISH, 90, 100)
    assert "20 over the limit of 100" in Outline(view.render_count(ENGLISH, 120, 100)).text
    assert "token" not in view.render_count(ENGLISH, None, 100)


def test_every_word_of_both_languages_fills_the_same_braces():
    english, chinese = (flatten(LANGUAGES[language]) for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, words in english.items():
        fields = [
            sorted(field for _, field, _, _ in Formatter().parse(text) if field) for text in (words, chinese[key])
        ]
        assert fields[0] == fields[1], key
    assert resolve_texts("zh-CN,zh;q=0.9,en;q=0.8") is LANGUAGES["zh"]
    for header in (None, "", "de-DE,zh", "*", "en;q=0.5"):
        assert resolve_texts(header) is LANGUAGES["en"]
    assert [key for key, words in english.items() if words == chinese[key]] == []


@pytest.mark.parametrize(
    "markup",
    [
        view.render_error(ENGLISH, NASTY),
        result_view.render_trace(ENGLISH, traced(NASTY, NASTY + " x")),
        result_view.render_difference(ENGLISH, traced(NASTY, NASTY + " x")),
        result_view.render_provenance(ENGLISH, outcome(1, 0, model=NASTY)),
        view.render_verdict(ENGLISH, outcome(1, 0, model=NASTY), 0.05),
        view.render_details(ENGLISH, outcome(1, 0, model=NASTY, published=(1.0, 2.0))),
        status_view.render_status(ENGLISH, ModelStatus("failed", NASTY, 1.0, failure=LoadError(NASTY))),
        status_view.render_status(ENGLISH, ModelStatus("loading", NASTY, 1.0)),
        status_view.render_status(
            ENGLISH, ModelStatus("ready", "x", 1.0, replace(REPORT, model=NASTY, placement=NASTY))
        ),
        status_view.render_announcement(ENGLISH, ModelStatus("failed", NASTY, 1.0, failure=LoadError(NASTY))),
    ],
)
def test_foreign_text_is_text(markup):
    outline = Outline(markup)
    assert not {"img", "script", "a"} & set(outline.tags)
    assert not [name for name in outline.attributes if name.startswith("on")]


def test_an_error_shows_every_character():
    assert NASTY in Outline(view.render_error(ENGLISH, NASTY)).text

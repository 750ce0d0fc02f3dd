from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from inform_demo.preference import preference_probability
from inform_demo.types import Comparison, RewardTrace
from inform_demo.ui import view
from inform_demo.ui.handlers import Inputs, ModelStatus, Outcome
from inform_demo.ui.texts import ENGLISH
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
        self.text += f" {data}"


def outcome(reward_a: float, reward_b: float, *, is_embedded: bool = True, model: str = "m", published=None) -> Outcome:
    margin = reward_a - reward_b
    comparison = Comparison(
        reward_a=reward_a,
        reward_b=reward_b,
        margin=margin,
        preference_probability=preference_probability(margin),
        preferred="tie",
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
def test_percentages_never_claim_certainty(p, expected):
    assert view.format_percent(p) == expected


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
    assert ("mark-tie" in markup) == (words == "Too close to call")


def test_the_tie_band_of_the_server_decides():
    assert "Too close to call" in view.render_verdict(ENGLISH, outcome(1.0, 0.0), 0.3)
    assert "up to 80 %" in view.render_details(ENGLISH, outcome(1.0, 0.0), 0.3)


def bars(markup: str) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in re.findall(r'style="left:([\d.]+)%;width:([\d.]+)%"', markup)]


def test_both_bars_start_at_the_marked_zero_and_share_one_scale():
    assert bars(view.render_verdict(ENGLISH, outcome(2.5, -1.0), 0.05)) == [(50.0, 25.0), (40.0, 10.0)]
    assert bars(view.render_verdict(ENGLISH, outcome(20.0, -10.0), 0.05)) == [(50.0, 50.0), (25.0, 25.0)]
    text = Outline(view.render_verdict(ENGLISH, outcome(19.2, -10.0), 0.05)).text
    assert "−20" in text
    assert "+20" in text


def test_belief_adds_up_and_names_both_answers():
    text = Outline(view.render_verdict(ENGLISH, outcome(4.96875, 2.890625), 0.05)).text
    assert "Answer A: 89 %" in text
    assert "Answer B: 11 %" in text
    widths = re.findall(
        r'class="bar-[ab]" style="width:([\d.]+)%"', view.render_verdict(ENGLISH, outcome(4.96875, 2.890625), 0.05)
    )
    assert sum(map(float, widths)) == pytest.approx(100, abs=0.011)


def test_only_the_embedded_model_carries_the_warning_and_the_way_out():
    embedded = view.render_verdict(ENGLISH, outcome(1, 0), 0.05)
    assert "Small demonstration model: do not rely on its judgement." in embedded
    assert "INFORM_MODEL=infly/INF-ORM-Llama3.1-70B python app.py" in embedded
    assert "demonstration" not in view.render_verdict(ENGLISH, outcome(1, 0, is_embedded=False), 0.05)


def test_published_rewards_stand_beside_ours():
    text = Outline(view.render_details(ENGLISH, outcome(1.5, 1.25, published=(4.96875, 2.890625)), 0.05)).text
    for part in ("1.50", "1.25", "+0.25", "Published for INF-ORM-70B in bf16 on a GPU", "4.97", "2.89", "+2.08"):
        assert part in text
    assert "Published" not in view.render_details(ENGLISH, outcome(1.5, 1.25), 0.05)


def test_the_numbers_are_all_there():
    text = Outline(view.render_details(ENGLISH, outcome(1, 0, model="some/model"), 0.05)).text
    for part in (
        "1,234",
        "86",
        "34",
        "0.32 s",
        "some/model",
        "bf16",
        "up to 55 %",
        "up to 73 %",
        "up to 95 %",
        "above 95 %",
    ):
        assert part in text


@pytest.mark.parametrize(
    "markup",
    [
        view.render_error(ENGLISH, NASTY),
        view.render_verdict(ENGLISH, outcome(1, 0, model=NASTY), 0.05),
        view.render_details(ENGLISH, outcome(1, 0, model=NASTY, published=(1.0, 2.0)), 0.05),
        view.render_status(ENGLISH, ModelStatus("failed", NASTY, 1.0, detail=NASTY)),
        view.render_status(ENGLISH, ModelStatus("loading", NASTY, 1.0)),
        view.render_status(ENGLISH, ModelStatus("ready", "x", 1.0, replace(REPORT, model=NASTY, placement=NASTY))),
        view.render_announcement(ENGLISH, ModelStatus("failed", NASTY, 1.0, detail=NASTY)),
    ],
)
def test_foreign_text_is_text(markup):
    outline = Outline(markup)
    assert not {"img", "script", "a"} & set(outline.tags)
    assert not [name for name in outline.attributes if name.startswith("on")]


def test_an_error_shows_every_character():
    assert NASTY in Outline(view.render_error(ENGLISH, NASTY)).text


def test_what_is_announced_changes_with_the_state_only():
    first, later = (view.render_announcement(ENGLISH, ModelStatus("loading", "m", s)) for s in (1.0, 2.0))
    assert first == later
    assert view.render_status(ENGLISH, ModelStatus("loading", "m", 1.0)) != view.render_status(
        ENGLISH, ModelStatus("loading", "m", 2.0)
    )
    assert view.render_announcement(ENGLISH, ModelStatus("ready", "m", 3.0, REPORT)) != first

"""What stands below a verdict, as markup: the trace and its shades, the difference, how it was computed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inform_demo.types import RewardTrace, Verification
from inform_demo.ui import result_view
from inform_demo.ui.texts import ENGLISH
from tests.test_view import Outline, outcome, traced


def test_how_it_was_computed_is_all_there():
    text = Outline(result_view.render_provenance(ENGLISH, outcome(1, 0, model="some/model"))).text
    for part in (
        "1,234",
        "86",
        "34",
        "0.32 s",
        "some/model",
        "fp32: It computes nothing.",
        "none: It has no attention.",
    ):
        assert part in text


def test_the_self_test_is_explained_with_both_rewards_and_the_tolerance():
    checked = Verification((4.96875, 2.890625), 0.1, (4.9, 2.9), "the model card")
    told = replace(outcome(1, 0), report=replace(outcome(1, 0).report, verification=checked))
    text = " ".join(Outline(result_view.render_provenance(ENGLISH, told)).text.split())
    assert "gave 4.90 / 2.90; recorded are 4.97 / 2.89, and each may be off by 0.1." in text
    assert "Self-test" not in result_view.render_provenance(ENGLISH, outcome(1, 0))


@given(st.text(st.sampled_from("ab \n<&é"), min_size=1, max_size=40), st.text(st.sampled_from("ab \n<&é"), max_size=40))
def test_the_difference_holds_every_word_of_both_answers_in_order(response_a, response_b):
    markup = result_view.render_difference(ENGLISH, traced(response_a, response_b))
    if "shaded" not in markup:
        assert response_a.split() == response_b.split()
        return
    body = markup[markup.index('<p class="shaded">') :]
    for letter, other, response in (("a", "b", response_a), ("b", "a", response_b)):
        kept = re.sub(rf'<span class="only only-{other}".*?</span>', " ", body, flags=re.DOTALL)
        text = Outline(re.sub(r"<sup>[AB]</sup>", "", kept)).text
        assert text.split() == response.split(), letter


def test_the_difference_refuses_what_would_take_forever():
    words = " ".join(["word"] * 4000)
    markup = result_view.render_difference(ENGLISH, traced(words, words + " more"))
    assert "8,001 words" in markup
    assert "shaded" not in markup


def test_the_plotted_trace_ends_in_the_reward_however_long_it_is():
    for n in (1, 7, 600, 601, 5000):
        points = result_view.trace_points(ENGLISH, traced(" ".join("w" * n), "one"))
        of_a = [i for i, name in enumerate(points["answer"]) if name == "Answer A"]
        assert len(of_a) <= 600
        assert points["token"][of_a[-1]] == n + 1
        assert points["value"][of_a[-1]] == n / 4


@given(st.lists(st.floats(-9, 9).map(lambda value: round(value, 2)), min_size=3, max_size=40))
def test_every_token_is_shaded_by_its_change_on_one_scale_for_both_answers(values):
    pieces = tuple(f" w{i}" for i in range(len(values)))
    half = len(values) // 2
    trace_a, trace_b = (RewardTrace(pieces[s], tuple(values[s])) for s in (slice(0, half), slice(half, None)))
    markup = result_view.render_trace(ENGLISH, replace(traced("a", "b"), trace_a=trace_a, trace_b=trace_b))
    changes = {
        piece.strip(): after - before
        for trace in (trace_a, trace_b)
        for piece, before, after in zip(trace.pieces[1:], trace.values, trace.values[1:], strict=False)
    }
    largest = max(map(abs, changes.values()), default=0)
    texts = markup[markup.index('<p class="shaded">') : markup.index("<details>")]
    shaded = re.findall(r'<span class="(rise|fall)( most)?" style="--shade:(\d+)%"[^>]*>(w\d+)(<sup>.</sup>)?', texts)
    assert {word for *_, word, _ in shaded} == {word for word, change in changes.items() if change}
    for kind, most, percent, word, sign in shaded:
        assert kind == ("rise" if changes[word] > 0 else "fall")
        assert int(percent) == pytest.approx(abs(changes[word]) / largest * result_view.MOST_SHADE_PERCENT, abs=0.51)
        assert sign == {"rise": "<sup>+</sup>", "fall": "<sup>−</sup>"}[kind] if most else not sign
    plain = Outline(re.sub("<sup>.</sup>", "", markup)).text
    assert all(piece in plain for piece in pieces)


def test_a_shade_leaves_the_text_its_contrast_in_both_themes():
    css = (Path(result_view.__file__).parent / "page.css").read_text(encoding="utf-8")
    light, dark = (css[css.index(start) :] for start in (":root {", ".dark {"))
    # The text and the ground of gradio's slate, body and block, in each theme.
    for theme, text, grounds in ((light, "#1e293b", ("#ffffff", "#f8fafc")), (dark, "#f1f5f9", ("#0f172a", "#131c2e"))):
        for name in ("--fine", "--falls"):
            colour = re.search(rf"{name}: (#\w+)", theme)[1]
            for ground in grounds:
                mixed = mix(colour, ground, result_view.MOST_SHADE_PERCENT / 100)
                assert contrast(rgb(text), mixed) > 4.5, (name, ground)


def rgb(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def mix(colour, ground, share):
    return [share * c + (1 - share) * g for c, g in zip(rgb(colour), rgb(ground), strict=True)]


def contrast(one, other):
    """Of two colours, as WCAG 2.1 defines it."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_trace_says_each_value_and_change_in_words_too():
    result = replace(traced("up down", "same"), trace_a=RewardTrace(("up", " down", ""), (0.0, 5.0, -5.0)))
    markup = result_view.render_trace(ENGLISH, result)
    assert 'title="rises: +5.00 → 5.00"' in markup
    assert "−5.00" in Outline(markup).text
    falls = replace(result, trace_a=RewardTrace(("up", " down", ""), (0.0, -5.0, 5.0)))
    assert 'title="falls: −5.00 → −5.00"' in result_view.render_trace(ENGLISH, falls)
    long = result_view.render_trace(ENGLISH, traced(" ".join("w" * 1000), "one"))
    assert "Every 6th token is listed." in long


@pytest.mark.parametrize("differences", [(0.0, 0.0), (0.0, 0.25)])
def test_the_order_check_says_zero_only_where_it_is_zero(differences):
    text = Outline(result_view.render_order_check(ENGLISH, differences)).text
    assert ("difference 0" in text) == (differences == (0.0, 0.0))
    assert ("0.25" in text) == (differences != (0.0, 0.0))

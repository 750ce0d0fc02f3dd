"""The page in a real browser, over a stand-in for the model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.doubles import FakeScorer
from tests.ui.visitor import answer_a, answer_b, compare, fill, press_as_soon_as, prompt, verdict

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)


def test_oranges_are_one_click_away_and_stand_beside_the_published_rewards(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    page.get_by_role("button", name="Oranges").click()
    expect(answer_a(page)).to_have_value(re.compile("18 ÷ 5 = 3.6"))
    compare(page).click()
    expect(verdict(page)).to_contain_text("Too close to call")
    expect(verdict(page)).to_contain_text("do not rely on its judgement")
    expect(verdict(page)).to_contain_text("A reward is how much the model likes an answer. It has no unit")
    expect(page.get_by_text("Your text is sent to this server while you write").first).to_be_visible()
    row = page.get_by_role("row", name=re.compile("Published for INF-ORM-70B in bf16 on a GPU"))
    expect(row.get_by_role("cell")).to_have_text(["4.97", "2.89", "+2.08"])
    ours = page.get_by_role("row", name=re.compile("fake-reward-model"))
    expect(ours.get_by_role("cell")).to_have_text(["2.90", "2.80", "+0.10"])


def test_no_published_rewards_for_other_texts_and_no_warning_for_another_model(page_url, new_page):
    page = new_page(page_url(FakeScorer(is_embedded=False)))
    page.get_by_role("button", name="Long or short").click()
    compare(page).click()
    expect(verdict(page)).to_contain_text("Answer B is clearly better")
    page.get_by_role("tab", name="How this was computed").click()
    expect(page.get_by_text("Tokens shared")).to_be_visible()
    expect(page.get_by_text("do not rely on its judgement")).to_have_count(0)
    expect(page.get_by_text("Published for")).to_have_count(0)


def test_ctrl_enter_compares_from_every_field_with_what_is_typed(page_url, new_page):
    scorer = FakeScorer()
    page = new_page(page_url(scorer))
    fill(page, "which?", "one", "one two three")
    for n_calls, field in enumerate((prompt(page), answer_a(page), answer_b(page)), 1):
        field.press("Control+Enter")
        expect(verdict(page)).to_contain_text("Margin (A − B): −0.20")
        expect(compare(page)).to_be_enabled()
        assert scorer.calls == [("which?", "one", "one two three", None)] * n_calls
        answer_b(page).press("Enter")  # a new line in a text, and no comparison
        answer_b(page).fill("one two three")
    page.get_by_role("button", name="System prompt and earlier turns (optional)").click()
    system = page.get_by_label("System prompt", exact=True)
    system.fill("be brief")
    system.press("Control+Enter")
    expect(verdict(page)).to_contain_text("Margin (A − B): −0.20")
    assert scorer.calls[3:] == [("which?", "one", "one two three", "be brief")]
    page.get_by_role("button", name="Add an earlier exchange").click()
    page.get_by_role("button", name="Paste a conversation as JSON").click()
    page.get_by_label("Earlier question 1", exact=True).fill("hello")
    for n_calls, name in enumerate(("Earlier answer 1", "Paste a conversation as JSON"), 5):
        field = page.get_by_role("textbox", name=name)
        field.fill(name)
        field.press("Control+Enter")
        expect(compare(page)).to_be_enabled()
        expect(verdict(page)).to_contain_text("Margin (A − B): −0.20")
        assert len(scorer.calls) == n_calls
        contents = [message.content for message in scorer.conversations[-1][0].messages]
        assert contents == ["be brief", "hello", "Earlier answer 1", "which?", "one"]


def test_swap_exchanges_the_answers_and_takes_back_the_verdict(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    fill(page, "which?", "one", "two three four five six seven eight")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Answer B is slightly better")
    page.get_by_role("button", name="Swap A and B").click()
    expect(answer_a(page)).to_have_value("two three four five six seven eight")
    expect(answer_b(page)).to_have_value("one")
    expect(verdict(page)).not_to_contain_text("better")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Answer A is slightly better")


def test_clear_empties_every_field_and_the_verdict(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    page.get_by_role("button", name="Refusal").click()
    compare(page).click()
    expect(verdict(page)).to_contain_text("better")
    page.get_by_role("button", name="Clear", exact=True).click()
    for field in (prompt(page), answer_a(page), answer_b(page)):
        expect(field).to_have_value("")
    expect(verdict(page)).to_have_text("The verdict appears here.")
    expect(page.get_by_role("tab", name="How this was computed")).to_have_count(0)


def test_what_is_cleared_at_once_does_not_come_back(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    fill(page, "which?", "one two", "one two three")
    press_as_soon_as(page, "#verdict .figures", "#clear")
    compare(page).click()
    expect(verdict(page)).to_have_text("The verdict appears here.")
    page.wait_for_timeout(1500)  # whatever was still on its way is there
    expect(verdict(page)).to_have_text("The verdict appears here.")
    expect(page.locator("#trace-plot")).to_be_hidden()


def test_a_changed_text_marks_the_verdict_as_older(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    page.get_by_role("button", name="Refusal").click()
    compare(page).click()
    expect(verdict(page)).to_contain_text("better")
    older = page.get_by_text("The text has changed since this verdict.")
    page.wait_for_function("(sessionStorage.getItem('inform-demo-texts') || '').includes('lock')")
    expect(older).to_be_hidden()
    answer_b(page).press_sequentially(" More.")
    expect(older).to_be_visible()
    compare(page).click()
    expect(older).to_be_hidden()


def test_a_reload_keeps_the_text_and_another_visitor_does_not_see_it(page_url, new_page):
    url = page_url(FakeScorer())
    page = new_page(url)
    fill(page, "which?", "one\n\n  two", "three")
    expect(answer_b(page)).to_have_value("three")
    # Remembered a moment after the keystroke, by a script.
    page.wait_for_function("(sessionStorage.getItem('inform-demo-texts') || '').includes('three')")
    page.reload()
    prompt(page).wait_for()
    expect(prompt(page)).to_have_value("which?")
    expect(answer_a(page)).to_have_value("one\n\n  two")
    expect(answer_b(page)).to_have_value("three")
    expect(answer_a(new_page(url))).to_have_value("")


def test_two_visitors_are_served_one_at_a_time_and_see_only_their_own(page_url, new_page):
    scorer = FakeScorer()
    url = page_url(scorer)
    first, second = new_page(url), new_page(url)
    fill(second, "which?", "one two three four", "one")
    compare(second).click()
    expect(verdict(second)).to_contain_text("Margin")  # so that there is a time to expect
    scorer.delay_s = 20
    scorer.started.clear()
    fill(first, "which?", "one", "one two three")
    compare(first).click()
    assert scorer.started.wait(10)
    compare(second).click()
    expect(verdict(first)).to_contain_text("Computing…")
    expect(verdict(second)).to_have_text(
        re.compile(r"Waiting for the model’s answer… You are number 1 of 1 in the queue. It should take about \d+ s\.")
    )
    scorer.released.set()
    expect(verdict(first)).to_contain_text("Margin (A − B): −0.20")
    expect(verdict(second)).to_contain_text("Margin (A − B): +0.30")
    assert scorer.most_running == 1


def test_no_width_hides_the_verdict_or_a_tab_and_nothing_overflows(page_url, new_page):
    url = page_url(FakeScorer())
    # 640 is what 1280 becomes at a zoom of 200 %.
    for width, query in ((320, ""), (320, "?__theme=dark"), (640, ""), (768, ""), (1440, "?__theme=dark")):
        page = new_page(url, width=width, height=640, query=query)
        for name in ("Compare", "Rank", "Batch", "About"):
            expect(page.get_by_role("tab", name=name, exact=True)).to_be_visible()
        page.get_by_role("button", name="Oranges").click()
        compare(page).click()
        expect(verdict(page).get_by_text("Too close to call")).to_be_in_viewport()
        page.get_by_role("button", name="What do these words mean?").click()
        expect(page.get_by_text("above 95 %")).to_be_visible()
        for name in ("Reward along the answer", "Difference", "How this was computed", "Share and export"):
            expect(page.get_by_role("tab", name=name)).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_nothing_moves_for_a_visitor_who_wants_it_still(page_url, new_page):
    duration = "parseFloat(getComputedStyle(document.getElementById('compare')).transitionDuration)"
    page = new_page(page_url(FakeScorer()))  # in a browser that asks for reduced motion
    expect(page.locator("#compare")).to_be_visible()
    page.wait_for_function(f"{duration} === 0")
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_function(f"{duration} > 0")  # a style sheet may be on its way still
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function(f"{duration} === 0")

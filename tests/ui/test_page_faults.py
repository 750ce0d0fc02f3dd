"""Whatever goes wrong on the page is said in words, and nothing of the visitor's is lost or run."""

from __future__ import annotations

import re
import threading

import pytest
from playwright.sync_api import expect

from inform_demo.errors import CheckpointError, ConversationTooLongError, InputError
from inform_demo.slot import ScorerSlot
from tests.doubles import FakeScorer
from tests.ui.visitor import (
    NASTY,
    answer_a,
    answer_b,
    compare,
    expect_harmless,
    expect_kept,
    fill,
    prompt,
    turned_away,
    verdict,
)

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)


def test_an_empty_prompt_is_named_and_no_text_is_lost(page_url, new_page):
    scorer = FakeScorer()
    page = new_page(page_url(scorer))
    fill(page, "  ", "one", "two")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Prompt is empty: write or paste some text there.")
    expect(answer_a(page)).to_have_value("one")
    expect(compare(page)).to_be_enabled()
    assert scorer.calls == []
    prompt(page).fill("which?")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")


def test_too_long_says_both_numbers(page_url, new_page):
    page = new_page(page_url(FakeScorer(error=ConversationTooLongError(9000, 8192, "Answer A with its prompt"))))
    fill(page, "which?", "x" * 100_000, "two")
    compare(page).click()
    expect(verdict(page)).to_contain_text(
        "Answer A with its prompt has 9,000 tokens; the limit is 8,192. Shorten it by 808"
    )
    expect_kept(page, "which?", "x" * 100_000, "two")


def test_an_unforeseen_fault_is_not_echoed_and_the_next_comparison_works(page_url, new_page, caplog):
    scorer = FakeScorer(error=RuntimeError("secret in /srv/weights"))
    page = new_page(page_url(scorer))
    fill(page, "which?", "one", "two")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Something went wrong on the server")
    assert "secret" not in page.content()
    assert "A request failed." in caplog.text
    scorer.error = None
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")


def test_a_comparison_asked_for_while_loading_waits_and_answers(page_url, new_page):
    go = threading.Event()

    def load() -> FakeScorer:
        go.wait(30)
        return FakeScorer()

    page = new_page(page_url(ScorerSlot(load), model="big-model"))
    expect(page.get_by_text("Loading · big-model").first).to_be_visible()
    fill(page, "which?", "one", "one two three")
    expect(page.locator("#count-b")).not_to_contain_text("tokens")
    compare(page).click()
    expect(page.get_by_role("button", name="Comparing…")).to_be_disabled()
    page.wait_for_timeout(1200)  # the wait is told twice a second
    expect(verdict(page)).to_have_text("Waiting for the model’s answer…")
    go.set()
    expect(page.locator("#count-b")).to_contain_text("tokens")
    expect(verdict(page)).to_contain_text("Margin (A − B): −0.20")
    ready = "Ready · demonstration model fake-reward-model · fp32 · cpu"
    expect(page.locator("#model-status").get_by_text(ready)).to_be_visible()
    expect_kept(page, "which?", "one", "one two three")
    for tab in ("Rank", "Batch", "About"):
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.locator("#model-status").get_by_text(ready)).to_be_visible()


def test_a_failed_load_says_why_and_can_be_tried_again(page_url, new_page):
    attempts = []

    def load() -> FakeScorer:
        attempts.append(1)
        if len(attempts) == 1:
            raise CheckpointError(f"weights.safetensors is cut short. {NASTY}")
        return FakeScorer()

    page = new_page(page_url(ScorerSlot(load)))
    expect(page.get_by_text("The model could not be loaded. weights.safetensors is cut short.")).to_be_visible()
    fill(page, "which?", "one", "one two three")
    compare(page).click()
    expect(verdict(page)).to_contain_text("weights.safetensors is cut short")
    expect_kept(page, "which?", "one", "one two three")
    page.get_by_role("button", name="Try loading again").click()
    expect(page.get_by_text("Ready · demonstration model fake-reward-model").first).to_be_visible()
    expect(page.get_by_role("button", name="Try loading again")).to_have_count(0)
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    assert page.evaluate("window.hacked") is None


def test_whatever_is_typed_runs_nothing_and_stays(page_url, new_page):
    scorer = FakeScorer()
    page = new_page(page_url(scorer))
    for text in (NASTY, "nul \x00 inside", "\u202eright to left", "x" * 100_000):
        fill(page, text, text, text)
        compare(page).click()
        expect(verdict(page)).to_contain_text("Too close to call")
        expect(compare(page)).to_be_enabled()
        assert prompt(page).input_value() == text
        assert scorer.calls == [(text, text, text, None)]
        assert page.evaluate("window.hacked") is None
        if text == NASTY:
            expect_harmless(page)
        scorer.calls.clear()
        page.get_by_role("button", name="Clear", exact=True).click()
        expect(verdict(page)).not_to_contain_text("Too close to call")


def test_half_a_surrogate_pair_is_named(page_url, new_page):
    scorer = FakeScorer()
    page = new_page(page_url(scorer))
    fill(page, "which?", "one", "two")
    # Playwright's own protocol cannot carry it, so it is made in the page.
    answer_b(page).evaluate(
        "e => { e.value = 'x' + String.fromCharCode(0xd800); e.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    compare(page).click()
    expect(verdict(page)).to_contain_text(re.compile("Answer B: .* not valid Unicode"))
    expect(compare(page)).to_be_enabled()
    assert scorer.calls == []


def test_an_error_that_quotes_markup_shows_it_as_text(page_url, new_page):
    page = new_page(page_url(FakeScorer(error=InputError(NASTY))))
    fill(page, "which?", "one", "two")
    compare(page).click()
    expect(verdict(page)).to_contain_text("<img src=x onerror=")
    expect(verdict(page).locator("img, a, script")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_a_full_queue_turns_away_with_words_and_keeps_the_text(page_url, new_page):
    scorer = FakeScorer()
    waiting, late = turned_away(scorer, page_url, new_page)
    expect(verdict(late)).to_contain_text("too many people may be waiting")
    expect_kept(late, "which?", "one", "two")
    scorer.released.set()
    expect(verdict(waiting)).to_contain_text("Margin")


@pytest.mark.parametrize("during", [False, True], ids=["before the click", "while it is scored"])
def test_a_lost_connection_is_said_and_no_text_is_lost(page_url, new_page, during):
    scorer = FakeScorer()
    page = new_page(page_url(scorer))
    fill(page, "which?", "one", "one two three")
    expect(page.locator("#count-b")).to_contain_text("tokens")
    if during:
        page.route("**/queue/data**", lambda route: route.abort())
    else:
        page.context.set_offline(True)
    compare(page).click()
    expect(page.get_by_test_id("toast-text")).to_contain_text("Connection to the server was lost")
    expect(answer_b(page)).to_have_value("one two three")
    page.unroute("**/queue/data**")
    page.context.set_offline(False)
    # Gradio reloads the page as soon as it has the server back.
    expect(verdict(page)).to_have_text("The verdict appears here.")
    expect_kept(page, "which?", "one", "one two three")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin (A − B): −0.20")

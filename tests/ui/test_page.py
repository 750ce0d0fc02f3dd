"""The page in a real browser, over a stand-in for the model."""

from __future__ import annotations

import re
import threading

import pytest
from playwright.sync_api import Page, expect

from inform_demo.config import ServeConfig
from inform_demo.errors import CheckpointError, ConversationTooLongError, InputError
from inform_demo.slot import ScorerSlot
from tests.doubles import FakeScorer

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)

NASTY = (
    "<img src=x onerror=\"window.hacked='img'\">"
    "<script>window.hacked='script'</script>"
    "${window.hacked='template'}"
    "{{constructor.constructor(\"window.hacked='mustache'\")()}}"
    "[a](javascript:window.hacked='link')\u202e"
)


def prompt(page: Page):
    return page.get_by_label("Prompt", exact=True)


def answer_a(page: Page):
    return page.get_by_label("Answer A", exact=True)


def answer_b(page: Page):
    return page.get_by_label("Answer B", exact=True)


def compare(page: Page):
    return page.get_by_role("button", name="Compare (Ctrl+Enter)")


def verdict(page: Page):
    return page.get_by_role("status", name="Verdict")


def fill(page: Page, *texts: str) -> None:
    for field, text in zip((prompt(page), answer_a(page), answer_b(page)), texts, strict=True):
        field.fill(text)


def expect_kept(page: Page, *texts: str) -> None:
    """Whatever the page came to, what was typed is still there and can be compared."""
    for field, text in zip((prompt(page), answer_a(page), answer_b(page)), texts, strict=True):
        expect(field).to_have_value(text)
    expect(compare(page)).to_be_enabled()


def tab_to(page: Page, selector: str, name: str = "") -> None:
    """Press Tab, and nothing else, until an element has the focus; by its text where several match."""
    found = "([s, name]) => document.activeElement.matches(s) && document.activeElement.textContent.includes(name)"
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(found, [selector, name]):
            return
    raise AssertionError(f"the keyboard does not reach {selector} {name}")


def expect_harmless(page: Page) -> None:
    """Nothing below a verdict runs, or is markup, of what was typed."""
    for name in ("Difference", "How this was computed", "Share and export", "Reward along the answer"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        ours = page.locator("#verdict, #details, #trace, #difference, #provenance, #export")
        # Gradio's code puts pictures without a source beside what it cannot print.
        expect(ours.locator("img:not(.cm-widgetBuffer), script, a")).to_have_count(0)
    page.get_by_text("The same as a table").click()
    assert page.evaluate("window.hacked") is None


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


def press_as_soon_as(page: Page, shown: str, pressed: str) -> None:
    """Click the element `pressed` in the very moment in which the element `shown` appears, quicker than any visitor."""
    page.evaluate(
        """([shown, pressed]) => {
            const observer = new MutationObserver(() => {
                if (!document.querySelector(shown)) return;
                observer.disconnect();
                document.querySelector(pressed).click();
            });
            observer.observe(document.body, { childList: true, subtree: true });
        }""",
        [shown, pressed],
    )


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


def turned_away(scorer: FakeScorer, page_url, new_page) -> tuple[Page, Page]:
    """Three visitors of a page with one place: the first is being served, the last finds it taken.

    Returns:
        Who waits, and who was turned away; all are served once `scorer.released` is set.
    """
    scorer.delay_s = 30
    url = page_url(scorer, ServeConfig(max_queue=1))
    pages = [new_page(url) for _ in range(3)]
    for i, page in enumerate(pages):
        fill(page, "which?", "one", "two")
        compare(page).click()
        if i == 0:
            assert scorer.started.wait(10)
        if i == 1:
            expect(page.get_by_text("You are number 1 of 1 in the queue.")).to_be_visible()
    return pages[1], pages[2]


def test_a_full_queue_turns_away_with_words_and_keeps_the_text(page_url, new_page):
    scorer = FakeScorer()
    waiting, late = turned_away(scorer, page_url, new_page)
    expect(verdict(late)).to_contain_text("too many people may be waiting")
    expect_kept(late, "which?", "one", "two")
    scorer.released.set()
    expect(verdict(waiting)).to_contain_text("Margin")


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

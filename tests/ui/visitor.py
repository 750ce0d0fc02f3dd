"""What a visitor sees of the Compare tab and does there, and texts that would do harm if they could."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from inform_demo.config import ServeConfig
from tests.doubles import FakeScorer

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

"""The browser's storage may be forbidden, full, or shared with another tab: the page works, and says what it holds."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.doubles import FakeScorer
from tests.ui.test_compare_tab import compared, move_tie_band
from tests.ui.test_kept import history, packed, paste_link
from tests.ui.visitor import answer_b, compare, prompt, verdict

pytestmark = pytest.mark.browser

FORBID = """for (const name of ["localStorage", "sessionStorage"])
    Object.defineProperty(window, name, { get() { throw new DOMException("", "SecurityError"); } });"""


def open_history(page: Page) -> Page:
    page.get_by_text("History in this browser").click()
    return page


def test_where_storage_is_forbidden_the_page_works_more_than_once(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    page.add_init_script(FORBID)
    faults = []
    page.on("pageerror", lambda error: faults.append(error.stack))
    page.reload()
    expect(verdict(page)).to_have_text("The verdict appears here.")
    for answer in ("one two three", "one two three four"):
        compared(page, "which?", "one", answer)
        expect(compare(page)).to_be_enabled()
    expect(history(open_history(page))).to_have_text(["Comparisons you make are listed here."])
    page.get_by_label("Keep a history here").uncheck()
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("tab", name="Batch").click()
    page.get_by_role("tab", name="Compare", exact=True).click()
    expect(answer_b(page)).to_have_value("one two three four")
    page.on("dialog", lambda dialog: dialog.accept())
    paste_link(page, packed(["linked"] * 16))
    expect(prompt(page)).to_have_value("linked")
    assert faults == []


def test_two_tabs_show_the_same_history_and_delete_what_they_show(page):
    compared(page, "first?", "one", "one two")
    open_history(page)
    other = page.context.new_page()
    other.goto(page.url)
    prompt(other).wait_for()
    expect(history(open_history(other))).to_have_count(1)
    compared(other, "second?", "one", "one two three")
    expect(history(page)).to_contain_text(["second?", "first?"])
    page.get_by_role("button", name="What do these words mean?").click()
    move_tie_band(page, 2)
    expect(history(page).last).to_contain_text("Answer B is slightly better")
    expect(history(page).first).to_contain_text("second?")
    history(other).last.get_by_role("button", name="Delete").click()
    for tab in (page, other):
        expect(history(tab)).to_have_count(1)
        expect(history(tab)).to_contain_text("second?")


def test_a_row_drawn_before_another_tab_wrote_deletes_its_own_entry(page):
    compared(page, "first?", "one", "one two")
    open_history(page)
    expect(history(page)).to_contain_text(["first?"])
    # Another tab's entry, of which this one has not heard yet.
    page.evaluate(
        """() => {
            const key = "inform-demo-history", kept = JSON.parse(localStorage.getItem(key));
            localStorage.setItem(key, JSON.stringify([{ ...kept[0], texts: ["second?"] }, ...kept]));
        }"""
    )
    history(page).get_by_role("button", name="Delete").click()
    expect(history(page)).to_have_count(1)
    expect(history(page)).to_contain_text("second?")


def test_a_full_storage_gives_up_its_oldest_entries_for_the_newest(page):
    page.evaluate(
        """() => {
            const entry = (text) => ({ texts: Array(16).fill(text), words: "w", rewards: "r", at: 1 });
            const kept = ["new", "middle", "old"].map((name) => entry(name + " x".repeat(1000)));
            localStorage.setItem("inform-demo-history", JSON.stringify(kept));
            for (let n = 1 << 24, filler = ""; n >= 1; n >>= 1) {
                try {
                    localStorage.setItem("filler", filler + "x".repeat(n));
                    filler += "x".repeat(n);
                } catch {}
            }
        }"""
    )
    compared(page, "small?", "one", "one two")
    open_history(page)
    expect(history(page)).to_contain_text(["small?", "new", "middle"])
    compared(page, "big? " + "x" * 400_000, "one", "one two three")
    expect(compare(page)).to_be_enabled()
    # It does not fit alone: what is there stays, and the next one is kept again.
    expect(history(page)).to_contain_text(["small?", "new", "middle"])
    compared(page, "next?", "one", "one two three four")
    expect(history(page)).to_contain_text(["next?", "small?", "new", "middle"])
    page.get_by_role("button", name="Delete all").click()
    expect(history(page)).to_have_text(["Comparisons you make are listed here."])

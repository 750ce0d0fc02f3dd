"""What a visitor keeps of a comparison: a link that carries it, and the history of their own browser."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest
from playwright.sync_api import Page, expect

from tests.doubles import FakeScorer
from tests.ui.test_compare_tab import FOLD, compared, open_tab
from tests.ui.visitor import NASTY, answer_a, answer_b, compare, expect_harmless, prompt, verdict

pytestmark = pytest.mark.browser


def test_a_link_carries_the_whole_comparison_after_the_hash_and_is_never_sent(page, page_url, new_page, scorer):
    page.get_by_role("button", name=FOLD).click()
    page.get_by_role("button", name="Add an earlier exchange").click()
    page.get_by_label("Earlier question 1", exact=True).fill("hello")
    page.get_by_label("Earlier answer 1", exact=True).fill("hi 🍊")
    compared(page, NASTY, "one\n\n  two 你好", "three")
    open_tab(page, "Share and export")
    page.get_by_role("button", name="Make a link").click()
    box = page.locator("#link").get_by_role("textbox")
    expect(box).to_have_value(re.compile("#compare="))
    link = box.input_value()
    other = new_page(link)
    expect(answer_a(other)).to_have_value("one\n\n  two 你好")
    expect(prompt(other)).to_have_value(NASTY)
    expect(verdict(other)).to_have_text("Opened from a link. Press Compare to score it.")
    assert "#" not in other.url
    # As the page says: the link itself stays here, its texts are sent to be counted before anyone presses Compare.
    expect(page.get_by_text("the page then sends them to its server, as if they were typed")).to_be_visible()
    expect(other.locator("#count-a")).to_contain_text("tokens")
    assert len(scorer.calls) == 1
    sent = [*page.requested[1:], *page.posted, *other.requested[1:], *other.posted]
    assert not any("compare=" in part or "compare%3D" in part or link.split("=")[-1] in part for part in sent)
    assert any("one\\n\\n  two 你好" in body for body in other.posted)
    compare(other).click()
    expect(verdict(other)).to_contain_text("Margin")
    assert scorer.conversations[0] == scorer.conversations[1]
    assert other.evaluate("window.hacked") is None


def packed(value: object) -> str:
    deflate = zlib.compressobj(wbits=-15)
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(deflate.compress(data) + deflate.flush()).decode().rstrip("=")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "%%%",
        "AAAA",
        packed({"__type__": "update"}),
        packed(["too", "few"]),
        packed([{"__type__": "update", "value": NASTY}] * 16),
        packed(b"\xff\xfe"),
        packed(b"[" + b'"' + b"a" * 9_000_000 + b'"]'),
    ],
    ids=["empty", "no base64", "no deflate", "object", "few", "no texts", "no utf-8", "bomb"],
)
def test_a_broken_or_hostile_link_is_named_and_runs_nothing(page_url, new_page, code):
    page = new_page(f"{page_url(FakeScorer())}#compare={code}")
    expect(verdict(page)).to_contain_text("This link holds no comparison that can be read")
    expect(prompt(page)).to_have_value("")
    assert page.evaluate("window.hacked") is None
    compared(page)


@pytest.mark.parametrize("text", [NASTY, "nul \x00 inside", "\u202eright to left"], ids=["markup", "nul", "rtl"])
def test_odd_texts_in_a_link_fill_every_field_and_run_nothing(page_url, new_page, text):
    scorer = FakeScorer()
    page = new_page(f"{page_url(scorer)}#compare={packed([text] * 16)}")
    for name in ("Prompt", "Answer A", "Answer B", "System prompt", "Earlier question 1", "Earlier answer 6"):
        expect(page.get_by_label(name, exact=True)).to_have_value(text)
    compare(page).click()
    expect(verdict(page)).to_contain_text("Too close to call")
    assert [message.content for message in scorer.conversations[0][0].messages] == [text] * 15
    expect_harmless(page)


def paste_link(page: Page, code: str) -> None:
    """As if a link were put into the address bar of the tab that shows the page."""
    page.evaluate("(code) => { window.isBefore = true; location.hash = `compare=${code}`; }", code)


def test_a_link_put_into_the_address_bar_of_the_open_page_opens_once(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    loads = []
    page.on("load", lambda: loads.append(page.url))
    for text in ("first", "second"):
        paste_link(page, packed([text] * 16))
        expect(prompt(page)).to_have_value(text)
        expect(verdict(page)).to_have_text("Opened from a link. Press Compare to score it.")
        assert "#" not in page.url
    page.evaluate("window.isBefore = true; location.hash = 'elsewhere'")
    page.wait_for_timeout(500)  # a load too many would have begun
    assert len(loads) == 2
    assert page.evaluate("window.isBefore")


@pytest.mark.parametrize("stays", [True, False], ids=["stays", "goes"])
def test_the_browser_asks_before_a_link_replaces_texts_that_were_not_compared(page_url, new_page, stays):
    page = new_page(page_url(FakeScorer()))
    asked = []

    def answer(dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss() if stays else dialog.accept()

    page.on("dialog", answer)
    prompt(page).press_sequentially("mine")  # a browser asks only where something was done by hand
    page.wait_for_function("(sessionStorage.getItem('inform-demo-texts') || '').includes('mine')")
    paste_link(page, packed(["linked"] * 16))
    if not stays:
        expect(prompt(page)).to_have_value("linked")
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    if stays:
        assert page.evaluate("window.isBefore")
        prompt(page).press_sequentially(" and more")
        page.wait_for_function("!location.hash")
        page.reload()  # what the page itself does after a lost connection; nobody is asked
        expect(prompt(page)).to_have_value("mine and more")
        assert asked == ["beforeunload"]


def test_a_link_replaces_compared_texts_unasked_and_a_broken_one_replaces_none(page_url, new_page):
    page = compared(new_page(page_url(FakeScorer())))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    expect(page.locator("#history li")).to_contain_text(["which?"])
    answer_b(page).press("End")
    paste_link(page, "AAAA")
    expect(verdict(page)).to_contain_text("This link holds no comparison that can be read")
    expect(answer_b(page)).to_have_value("one two three four")
    assert asked == []


def history(page: Page):
    return page.locator("#history li")


def test_the_history_stays_in_the_browser_and_can_be_opened_deleted_and_switched_off(page, page_url, new_page, scorer):
    compared(page, f"first {NASTY}", "one", "one two three")
    compared(page, "second?", "one two", "one")
    page.get_by_text("History in this browser").click()
    expect(history(page)).to_have_count(2)
    expect(history(page).first).to_contain_text("second?")
    expect(history(page).last).to_contain_text("A −0.90 · B −0.70 · fake-reward-model")
    page.reload()
    prompt(page).wait_for()
    page.get_by_text("History in this browser").click()
    history(page).last.get_by_role("button", name="Open").click()
    expect(prompt(page)).to_have_value(f"first {NASTY}")
    expect(answer_b(page)).to_have_value("one two three")
    expect(verdict(page)).to_have_text("The verdict appears here.")
    history(page).first.get_by_role("button", name="Delete").click()
    expect(history(page)).to_have_count(1)
    page.get_by_label("Keep a history here").uncheck()
    page.reload()
    page.get_by_text("History in this browser").click()
    expect(page.get_by_label("Keep a history here")).not_to_be_checked()
    expect(answer_b(page)).to_have_value("one two three")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    expect(history(page)).to_have_count(1)
    page.get_by_role("button", name="Delete all").click()
    expect(history(page)).to_have_text(["Comparisons you make are listed here."])
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("JSON.parse(localStorage.getItem('inform-demo-history')).length") == 0


def test_the_history_keeps_the_last_fifty_and_survives_a_foreign_store(page, page_url, new_page):
    page.evaluate(
        """localStorage.setItem('inform-demo-history', JSON.stringify([
            null, 7, {texts: 'no'}, {texts: [1], words: 'x', rewards: 'y'}, {texts: [], words: 'x', rewards: 'y'},
            ...Array(60).fill(
                {texts: Array(16).fill('<img src=x onerror="window.hacked=1">'), words: '<b>w</b>', rewards: 'r'}
            )
        ]))"""
    )
    page.reload()
    prompt(page).wait_for()
    page.get_by_text("History in this browser").click()
    expect(history(page)).to_have_count(50)
    compared(page)
    expect(history(page)).to_have_count(50)
    expect(history(page).first).to_contain_text("which?")
    expect(history(page).nth(1)).to_contain_text("<b>w</b>")
    assert page.evaluate("window.hacked") is None

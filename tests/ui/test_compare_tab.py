"""What stands around and below a verdict, in a real browser over a stand-in for the model."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from inform_demo.config import ServeConfig
from inform_demo.ui.export import EXPORTS
from inform_demo.ui.result_panel import FILE_NAMES
from tests.doubles import FakeScorer
from tests.ui.visitor import NASTY, answer_a, answer_b, compare, fill, prompt, tab_to, verdict

pytestmark = pytest.mark.browser

FOLD = "System prompt and earlier turns (optional)"


def compared(page: Page, *texts: str) -> Page:
    fill(page, *(texts or ("which?", "one two", "one two three four")))
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    return page


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_tokens_are_counted_while_writing_against_the_limit(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    fill(page, "one two", "three", "three four five")
    # The stand-in counts words and one more a turn.
    expect(page.locator("#count-a")).to_have_text("5 of 8,192 tokens, prompt included")
    expect(page.locator("#count-b")).to_have_text("7 of 8,192 tokens, prompt included")
    answer_a(page).fill("word " * 9000)
    expect(page.locator("#count-a")).to_contain_text("9,004 tokens with the prompt: 812 over the limit of 8,192")
    answer_a(page).fill("")
    expect(page.locator("#count-a")).not_to_contain_text("tokens")


def test_earlier_exchanges_are_added_edited_removed_and_scored(page, scorer):
    fill(page, "and now?", "one", "two three")
    page.get_by_role("button", name=FOLD).click()
    first, second = (page.get_by_label(f"Earlier question {i}", exact=True) for i in (1, 2))
    expect(first).to_be_hidden()
    for _ in range(2):
        page.get_by_role("button", name="Add an earlier exchange").click()
    first.fill("hello")
    page.get_by_label("Earlier answer 1", exact=True).fill("hi")
    second.fill("how are you")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Earlier answer 2 is empty")
    page.get_by_label("Earlier answer 2", exact=True).fill("fine")
    page.get_by_label("System prompt", exact=True).fill("be brief")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    contents = [message.content for message in scorer.conversations[-1][1].messages]
    assert contents == ["be brief", "hello", "hi", "how are you", "fine", "and now?", "two three"]
    page.get_by_role("button", name="Remove exchange 1").click()
    expect(first).to_have_value("how are you")
    expect(second).to_be_hidden()
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    contents = [message.content for message in scorer.conversations[-1][0].messages]
    assert contents == ["be brief", "how are you", "fine", "and now?", "one"]


def test_a_pasted_conversation_fills_the_fields_and_a_wrong_one_is_named(page, scorer):
    answer_b(page).fill("kept")
    page.get_by_role("button", name=FOLD).click()
    page.get_by_role("button", name="Paste a conversation as JSON").click()
    box = page.get_by_role("textbox", name="Paste a conversation as JSON")
    use = page.get_by_role("button", name="Use this conversation")
    for text, words in (
        ('[{"role": "user"', "Expected JSON; line 1, column 17"),
        ('[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]', "in alternation"),
        ("[" * 100_000, "Expected JSON"),
    ):
        box.fill(text)
        use.click()
        expect(page.locator("#paste-note")).to_contain_text(words)
    roles = ["system", "user", "assistant", "user", "assistant"]
    box.fill(json.dumps([{"role": role, "content": f"{i} {NASTY}"} for i, role in enumerate(roles)]))
    use.click()
    expect(prompt(page)).to_have_value(f"3 {NASTY}")
    expect(answer_a(page)).to_have_value(f"4 {NASTY}")
    expect(answer_b(page)).to_have_value("kept")
    expect(page.get_by_label("System prompt", exact=True)).to_have_value(f"0 {NASTY}")
    expect(page.get_by_label("Earlier question 1", exact=True)).to_have_value(f"1 {NASTY}")
    expect(page.get_by_label("Earlier answer 1", exact=True)).to_be_visible()
    assert page.evaluate("window.hacked") is None


def test_the_multi_turn_example_brings_its_turns(page, scorer):
    page.get_by_role("button", name="Several turns").click()
    expect(page.get_by_label("Earlier question 1", exact=True)).to_be_visible()
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    assert len(scorer.conversations[-1][0].messages) >= 4


def test_the_tie_band_can_be_moved_without_scoring_again(page, scorer):
    compared(page)  # a margin of 0.2: 45 % to 55 %
    expect(verdict(page)).to_contain_text("Too close to call")
    page.get_by_role("button", name="What do these words mean?").click()
    page.get_by_text("History in this browser").click()
    open_tab(page, "Share and export")
    for percent, words, preferred in ((2, "Answer B is slightly better", "b"), (20, "Too close to call", "tie")):
        move_tie_band(page, percent)
        expect(verdict(page)).to_contain_text(words)
        expect(page.locator("#words")).to_contain_text(f"up to {50 + percent} %")
        # What is exported and what is kept say what the page says.
        expect(page.locator("#export")).to_contain_text(f'"preferred": "{preferred}"')
        expect(page.locator("#history li")).to_contain_text(words)
    assert len(scorer.calls) == 1


def move_tie_band(page: Page, percent: int) -> None:
    band = page.get_by_role("spinbutton")
    band.fill(str(percent))
    band.press("Tab")


def test_an_older_result_comes_back_under_no_wait_and_no_refusal(page_url, new_page):
    scorer = FakeScorer()
    page = compared(new_page(page_url(scorer, ServeConfig(rate_limit=2))))
    page.get_by_role("button", name="What do these words mean?").click()
    scorer.delay_s = 30
    compare(page).and_(page.locator(":enabled")).click()
    expect(verdict(page).locator("[data-busy]")).to_be_visible()
    # Out of sight by now; an event of it may still be under way.
    page.locator("#result input[type=range]").evaluate(
        "e => { e.value = 2; ['input', 'change'].map((n) => e.dispatchEvent(new Event(n, {bubbles: true}))); }"
    )
    expect(page.locator("#words")).to_contain_text("up to 52 %")
    expect(verdict(page).locator("[data-busy]")).to_be_visible()
    scorer.released.set()
    expect(verdict(page)).to_contain_text("Margin")
    expect(page.locator("#result")).to_be_visible()
    compare(page).and_(page.locator(":enabled")).click()
    expect(verdict(page)).to_contain_text("Not compared")
    page.wait_for_timeout(500)  # whatever was still on its way is there
    expect(page.locator("#result")).to_be_hidden()


def test_a_new_verdict_never_stands_above_the_result_of_the_one_before(page):
    compared(page)
    expect(page.locator("#result")).to_be_visible()  # it follows the verdict, and is not there before
    page.evaluate(
        """() => {
            const verdict = document.getElementById("verdict"), result = document.getElementById("result");
            window.seen = null;
            new MutationObserver(() => {
                if (window.seen === null && !verdict.querySelector(".figures")) window.seen = "waiting";
                if (window.seen === "waiting" && verdict.querySelector(".figures"))
                    window.seen = getComputedStyle(result).display;
            }).observe(verdict, { childList: true, subtree: true });
        }"""
    )
    compared(page, "which?", "five", "six seven eight nine")
    expect(page.locator("#result .shaded").first).to_have_text("five")
    expect(page.locator("#result")).to_be_visible()
    assert page.evaluate("window.seen") == "none"


def test_the_trace_is_a_plot_a_marked_text_and_a_table_that_ends_in_the_reward(page):
    compared(page)
    expect(page.locator("#trace-plot canvas, #trace-plot svg").first).to_be_visible()
    expect(page.get_by_text("Exploratory:")).to_be_visible()
    page.get_by_text("The same as a table").click()
    rows = page.locator(".trace-table").nth(1).get_by_role("row")
    expect(rows.last.get_by_role("cell")).to_have_text(["5", "(end of the answer: the reward)", "−0.60"])


def test_the_difference_names_the_words_of_one_answer_only(page):
    compared(page, "which?", "one two", "one two three")
    open_tab(page, "Difference")
    expect(page.locator("#difference .shaded .only-b")).to_have_text("threeB")
    expect(page.locator("#difference .shaded .only-a")).to_have_count(0)


def test_how_it_was_computed_and_the_order_check(page, scorer):
    compared(page)
    open_tab(page, "How this was computed")
    for words in ("It computes nothing.", "It has no attention.", "It is plain Python.", "Time waited"):
        expect(page.locator("#result").get_by_text(words).first).to_be_visible()
    names = ["Model", "Revision", "Precision", "Attention kernel", "Device", "Versions", "Tokens, A", "Tokens, B"]
    expect(page.locator("#provenance dt")).to_have_text([*names, "Tokens shared", "Time computed"])
    page.get_by_role("button", name="Check the order").click()
    expect(page.get_by_text("both rewards are the same to the last bit (difference 0)")).to_be_visible()
    assert [call[1:3] for call in scorer.calls] == [
        ("one two", "one two three four"),
        ("one two three four", "one two"),
    ]


def test_every_format_can_be_exported(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    compared(page, "which?", "one `two`\n'three'", "=one")
    open_tab(page, "Share and export")
    code = page.locator("#export")
    expect(code).to_contain_text('"reward_a"')
    seen = set()
    for name in EXPORTS:
        page.get_by_label("Format").click()
        page.get_by_role("option", name=name, exact=True).click()
        expect(page.get_by_label("Format")).to_have_value(name)
        page.wait_for_function("(seen) => !seen.includes(document.querySelector('#export').innerText)", arg=list(seen))
        seen.add(code.inner_text())
        if name == "curl":
            expect(code).to_contain_text(f"{page.url}gradio_api/call/compare")
    assert len(seen) == len(EXPORTS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == FILE_NAMES[name]
    saved = download.value.path().read_text()
    assert saved.strip() == code.locator(".cm-content").inner_text().strip()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == saved


def test_the_page_speaks_chinese_to_a_chinese_browser(page_url, browser, scorer):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(page_url(scorer))
    page.get_by_label("提示", exact=True).fill("which?")
    page.get_by_label("回答 A", exact=True).fill("one")
    page.get_by_label("回答 B", exact=True).fill(" ".join(map(str, range(40))))
    page.get_by_role("button", name="比较（Ctrl+Enter）").click()
    expect(page.get_by_role("status", name="结论")).to_contain_text("回答 B 明显更好")
    expect(page.get_by_role("heading", level=1)).to_have_text("INF-ORM 并排比较")
    page.get_by_label("回答 B", exact=True).fill(" ")
    page.get_by_role("button", name="比较（Ctrl+Enter）").click()
    expect(page.get_by_role("status", name="结论")).to_contain_text("回答 B为空")
    page.get_by_role("tab", name="批量").click()
    expect(page.get_by_text("最多 2,000 行、20 MB。")).to_be_visible()
    expect(page.get_by_role("button", name="为所有行打分")).to_be_disabled()
    context.close()


def test_the_whole_path_works_by_keyboard_alone(page, scorer):
    prompt(page).focus()
    page.keyboard.type("which?")
    page.keyboard.press("Tab")
    page.keyboard.type("one")
    page.keyboard.press("Tab")
    page.keyboard.type("one two three")
    tab_to(page, "#compare")
    page.keyboard.press("Enter")
    expect(verdict(page)).to_contain_text("Margin (A − B): −0.20")
    assert scorer.calls == [("which?", "one", "one two three", None)]
    expect(compare(page)).to_be_enabled()
    for name in ("Difference", "How this was computed", "Share and export"):
        tab_to(page, "#result [role=tab]", name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    tab_to(page, "#result button", "Make a link")
    page.keyboard.press("Enter")
    expect(page.locator("#link").get_by_role("textbox")).to_have_value(re.compile("#compare="))
    tab_to(page, "#result button", "Download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert '"reward_a"' in download.value.path().read_text()


def test_the_tie_band_of_the_server_is_where_the_page_begins(page_url, new_page):
    page = new_page(page_url(FakeScorer(), ServeConfig(tie_band=0.2)))
    compared(page, "which?", "one", "one two three four five")
    expect(verdict(page)).to_contain_text("Too close to call")

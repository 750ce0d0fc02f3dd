"""The Rank tab in a real browser, over a stand-in for the model."""

from __future__ import annotations

import json
import re
import threading

import pytest
from playwright.sync_api import Locator, Page, expect

from inform_demo.config import ServeConfig
from inform_demo.errors import InputError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.rank_inputs import MAX_FILE_BYTES
from tests.doubles import FakeScorer
from tests.ui.visitor import NASTY, press_as_soon_as

pytestmark = pytest.mark.browser


@pytest.fixture
def scorer():
    return FakeScorer()


@pytest.fixture
def open_rank(page_url, new_page):
    """A function that serves a page and opens its Rank tab."""

    def open_it(served: object, **options) -> Page:
        url = served if isinstance(served, str) else page_url(served, *options.pop("config", ()))
        page = new_page(url, **options)
        show_tab(page)
        return page

    return open_it


@pytest.fixture
def page(open_rank, scorer):
    return open_rank(scorer)


def show_tab(page: Page) -> None:
    page.get_by_role("tab", name="Rank").click()
    expect(prompt(page)).to_be_visible()


def tab(page: Page) -> Locator:
    return page.get_by_role("tabpanel").filter(has=page.locator("#rank-prompt"))


def prompt(page: Page) -> Locator:
    return tab(page).get_by_label("Prompt", exact=True)


def answer(page: Page, i: int) -> Locator:
    return tab(page).get_by_label(f"Answer {i}", exact=True)


def button(page: Page, name: str) -> Locator:
    return tab(page).get_by_role("button", name=name, exact=True)


def verdict(page: Page) -> Locator:
    return page.get_by_role("status", name="Ranking")


def note(page: Page) -> Locator:
    return page.get_by_role("status", name="Changes to the answers")


def rank(page: Page) -> Locator:
    return button(page, "Rank (Ctrl+Enter)")


def fill(page: Page, *answers: str, question: str = "which?") -> None:
    prompt(page).fill(question)
    for i, text in enumerate(answers, 1):
        if i > 2 and not answer(page, i).is_visible():
            button(page, "Add an answer").click()
        answer(page, i).fill(text)


def ranked_rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Ranking, best first").get_by_role("row")


def expect_answers(page: Page, *texts: str) -> None:
    for i, text in enumerate(texts, 1):
        expect(answer(page, i)).to_have_value(text)
        expect(answer(page, i)).to_be_visible()
    if len(texts) < 16:
        expect(answer(page, len(texts) + 1)).to_be_hidden()


def open_bulk(page: Page) -> None:
    tab(page).get_by_role("button", name="Paste several, or open a file").click()
    expect(button(page, "Use these answers")).to_be_visible()


def open_file(page: Page, content: bytes | str, name: str = "answers.json") -> None:
    content = content if isinstance(content, bytes) else content.encode()
    page.get_by_label("JSON file with answers").set_input_files(
        {"name": name, "mimeType": "application/json", "buffer": content}
    )


def test_three_answers_are_ranked_with_verdict_table_plot_and_matrix(page):
    fill(page, "one", "one two three four five six seven eight nine", "one two")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Answer 2 is ranked first, slightly ahead of Answer 3")
    expect(verdict(page)).to_contain_text("do not rely on its judgement")
    expect(ranked_rows(page)).to_have_count(4)
    expect(ranked_rows(page).nth(1)).to_contain_text(re.compile(r"1\s*Answer 2.*−0\.10.*68\s%.*12", re.DOTALL))
    expect(ranked_rows(page).nth(3)).to_contain_text(re.compile(r"3\s*Answer 1.*−0\.90", re.DOTALL))
    expect(tab(page)).to_contain_text("The 2 tokens with which all 3 conversations begin")
    matrix = page.get_by_role("region", name=re.compile("^Each pair"))
    expect(matrix.get_by_role("columnheader")).to_have_text(["Answer 2", "Answer 3", "Answer 1"])
    expect(matrix.get_by_role("row", name=re.compile("^Answer 3")).get_by_role("cell")).to_have_text(
        ["33 %", "–", "52 %"]
    )
    plot = page.locator("#rank-plot")
    expect(plot.locator("canvas, svg.marks").first).to_be_visible()
    expect(rank(page)).to_be_enabled()


def test_equal_answers_share_a_place_and_it_is_said(page):
    fill(page, "one two", "one two", "one")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Answer 1 and Answer 2 share first place")
    expect(ranked_rows(page).nth(1)).to_contain_text("1, shared")
    expect(ranked_rows(page).nth(2)).to_contain_text("1, shared")


def test_removing_moves_the_later_ones_up_and_undo_brings_it_back(page):
    fill(page, "one", "two", "three", "four")
    button(page, "Remove answer 2").click()
    expect_answers(page, "one", "three", "four")
    expect(answer(page, 2)).to_be_focused()
    expect(note(page)).to_have_text("Answer 2 was removed; those after it moved up.")
    button(page, "Undo").click()
    expect_answers(page, "one", "two", "three", "four")
    expect(button(page, "Undo")).to_be_hidden()


def test_two_answers_cannot_be_removed_and_sixteen_are_the_most(page):
    fill(page, "one", "two")
    expect(button(page, "Remove answer 1")).to_be_hidden()
    for i in range(3, 17):
        button(page, "Add an answer").click()
        expect(answer(page, i)).to_be_focused()
        answer(page, i).fill(f"answer {i}")
    expect(button(page, "Add an answer")).to_be_hidden()
    expect(tab(page)).to_contain_text("16 answers is the most")
    rank(page).click()
    expect(ranked_rows(page)).to_have_count(17)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_the_keyboard_alone_is_enough(page, scorer):
    prompt(page).focus()
    page.keyboard.type("which?")
    answer(page, 1).focus()
    page.keyboard.type("one")
    page.keyboard.press("Tab")
    expect(answer(page, 2)).to_be_focused()
    page.keyboard.type("one two three")
    button(page, "Add an answer").focus()
    page.keyboard.press("Enter")
    expect(answer(page, 3)).to_be_focused()
    page.keyboard.type("one two three four")
    page.keyboard.press("Control+Enter")
    expect(verdict(page)).to_contain_text("Answer 3 is ranked first")
    expect(answer(page, 3)).to_be_focused()
    rank(page).focus()
    page.keyboard.press("Enter")
    expect(rank(page)).to_be_focused()


def test_an_empty_answer_is_named_and_no_text_is_lost(page, scorer):
    fill(page, "one", "two", "  ", "four")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Not ranked")
    expect(verdict(page)).to_contain_text("Answer 3 is empty")
    expect(rank(page)).to_be_enabled()
    expect_answers(page, "one", "two", "  ", "four")
    assert not scorer.started.is_set()
    button(page, "Remove answer 3").click()
    expect_answers(page, "one", "two", "four")
    rank(page).click()
    expect(verdict(page)).to_contain_text("share first place")


def test_an_older_result_goes_when_a_ranking_fails_and_is_marked_when_texts_change(page):
    fill(page, "one", "one two three")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Answer 2 is ranked first")
    older = page.get_by_text("The text has changed since this ranking.")
    expect(older).to_be_hidden()
    answer(page, 1).press_sequentially(" more")
    expect(older).to_be_visible()
    answer(page, 1).fill("")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Answer 1 is empty")
    expect(ranked_rows(page)).to_have_count(0)


def test_a_ranking_asked_for_in_the_moment_of_typing_is_not_marked_as_older(page, scorer):
    tab(page).get_by_role("button", name="System prompt (optional)").click()
    fill(page, "one", "one two three")
    older = page.get_by_text("The text has changed since this ranking.")
    for n_words, field in enumerate((answer(page, 1), tab(page).get_by_label("System prompt")), 4):
        # Told at the next frame, when the ranking has begun.
        field.evaluate(
            """(field, text) => {
                field.value = text;
                field.dispatchEvent(new Event("input", { bubbles: true }));
                const options = { key: "Enter", ctrlKey: true, bubbles: true };
                field.dispatchEvent(new KeyboardEvent("keydown", options));
            }""",
            " ".join("abcdef"[:n_words]),
        )
        expect(verdict(page)).to_contain_text("Answer 1 is ranked first")
        expect(rank(page)).to_be_enabled()
        page.wait_for_timeout(300)  # whatever was still on its way is there
        expect(older).to_be_hidden()
    button(page, "Add an answer").click()
    expect(older).to_be_visible()


def test_a_ranking_is_marked_as_older_by_a_text_out_of_sight_and_by_no_fold(page, scorer):
    older = page.get_by_text("The text has changed since this ranking.")
    system = tab(page).get_by_role("button", name="System prompt (optional)")
    fill(page, "one", "one two three")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Answer 2 is ranked first")
    expect(rank(page)).to_be_enabled()
    open_bulk(page)
    for _ in range(2):
        system.click()
        page.wait_for_timeout(300)  # a field that comes or goes reports it
        expect(older).to_be_hidden()
    given = {"prompt": "which?", "responses": ["one", "one two three"], "system": "be brief"}
    open_file(page, json.dumps(given))
    expect(note(page)).to_contain_text("2 answers were taken over")
    expect(older).to_be_visible()
    rank(page).click()
    expect(older).to_be_hidden()
    expect(rank(page)).to_be_enabled()
    button(page, "Undo").click()
    expect(older).to_be_visible()


def test_pasted_answers_are_taken_over_and_can_be_undone(page):
    fill(page, "first", "second")
    open_bulk(page)
    pasted = page.get_by_label("Answers, one after another")
    for text, message in (
        ("only one", "Expected 2 to 16 answers; got 1."),
        ("\n---\n".join("x" * 17), "Expected 2 to 16 answers; got 17."),
        ("a\n---\n\n---\nb", "Answer 2 of 3 is empty"),
    ):
        pasted.fill(text)
        button(page, "Use these answers").click()
        expect(note(page)).to_contain_text(message)
        expect(note(page)).to_contain_text("Nothing was taken over.")
        expect_answers(page, "first", "second")
        expect(button(page, "Undo")).to_be_hidden()
    pasted.fill("one\n---\none two\n---\n<b>three</b>")
    button(page, "Use these answers").click()
    expect(note(page)).to_have_text("3 answers were taken over.")
    expect_answers(page, "one", "one two", "<b>three</b>")
    expect(prompt(page)).to_have_value("which?")
    button(page, "Undo").click()
    expect_answers(page, "first", "second")


def test_a_file_is_read_in_the_browser_and_never_uploaded(page, scorer):
    fill(page, "first", "second")
    open_bulk(page)
    expect(tab(page)).to_contain_text("at most 1 MB (1,048,576 bytes)")
    open_file(page, json.dumps(["one", "one two", "one two three"]))
    expect(note(page)).to_have_text("3 answers were taken over from answers.json.")
    expect_answers(page, "one", "one two", "one two three")
    expect(prompt(page)).to_have_value("which?")
    open_file(page, json.dumps({"prompt": "new?", "responses": ["ä", "ä b"], "system": "be brief"}), "o.json")
    expect(note(page)).to_have_text("2 answers were taken over from o.json.")
    expect(prompt(page)).to_have_value("new?")
    expect_answers(page, "ä", "ä b")
    rank(page).click()
    expect(tab(page)).to_contain_text("The 5 tokens with which all 2 conversations begin")
    assert len(page.requested) > 10
    assert not [url for url in page.requested if "upload" in url.rsplit("/", 1)[-1]]


def test_the_same_file_can_be_opened_again_after_it_was_refused(page):
    open_bulk(page)
    for content, message in (
        ('["a",\n "b"', "broken.json is not valid JSON: line 2, column 5"),
        (b'["a", "\xff"]', "broken.json is not text in UTF-8"),
        ("[" * 100, "broken.json is nested 100 levels deep; the limit is 8"),
        ('{"responses": ["a", "b"]}', 'broken.json has no "prompt"'),
        ('["a"]', "Expected 2 to 16 answers; got 1."),
        (json.dumps(["x"] * 17), "Expected 2 to 16 answers; got 17."),
        ('["a", "b", ""]', "Answer 3 of 3 is empty"),
        (b" " * (MAX_FILE_BYTES + 1), "broken.json has 1,048,577 bytes; the limit is 1,048,576."),
        ('["a", "b"]', "2 answers were taken over from broken.json."),
    ):
        open_file(page, content, "broken.json")
        expect(note(page)).to_contain_text(message)
    expect_answers(page, "a", "b")


def test_whatever_is_given_runs_nothing_and_shows_as_text(page, scorer):
    fill(page, NASTY, NASTY, question=NASTY)
    rank(page).click()
    expect(verdict(page)).to_contain_text("All 2 answers get the same reward")
    expect(ranked_rows(page).nth(1)).to_contain_text("<img src=x onerror=")
    open_bulk(page)
    page.get_by_label("Answers, one after another").fill(f"{NASTY}\n---\n{NASTY}\n---\n{NASTY}")
    button(page, "Use these answers").click()
    expect(answer(page, 3)).to_have_value(NASTY)
    given = {"prompt": NASTY, "responses": [NASTY] * 4, "system": NASTY}
    open_file(page, json.dumps(given), "<img src=x onerror=alert(1)>.json")
    expect(note(page)).to_have_text("4 answers were taken over from <img src=x onerror=alert(1)>.json.")
    expect(answer(page, 4)).to_have_value(NASTY)
    rank(page).click()
    expect(verdict(page)).to_contain_text("All 4 answers get the same reward")
    open_file(page, json.dumps({"prompt": "p", "responses": ["a", "b"], NASTY: 1}))
    expect(note(page)).to_contain_text('also has "<img src=x onerror=')
    scorer.error = InputError(NASTY)
    rank(page).click()
    expect(verdict(page)).to_contain_text("<img src=x onerror=")
    expect(tab(page).locator("img, script, a")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("text", ["nul \x00 inside", "\u202eright to left", "x" * 100_000])
def test_odd_texts_are_ranked_and_stay(page, text):
    fill(page, text, text, question=text)
    rank(page).click()
    expect(verdict(page)).to_contain_text("All 2 answers get the same reward")
    expect_answers(page, text, text)


def test_clear_empties_everything_and_can_be_undone(page):
    button(page, "Try an example").click()
    expect(answer(page, 4)).to_have_value(re.compile("baked"))
    rank(page).click()
    expect(verdict(page)).to_contain_text("ranked first")
    button(page, "Clear").click()
    expect_answers(page, "", "")
    expect(prompt(page)).to_have_value("")
    expect(verdict(page)).to_have_text("The ranking appears here.")
    expect(ranked_rows(page)).to_have_count(0)
    button(page, "Undo").click()
    expect(answer(page, 4)).to_have_value(re.compile("baked"))
    expect(answer(page, 4)).to_be_visible()


def test_what_is_cleared_at_once_does_not_come_back(page):
    fill(page, "one", "two three")
    press_as_soon_as(page, "#rank-verdict .verdict", "#rank-clear")
    rank(page).click()
    expect(verdict(page)).to_have_text("The ranking appears here.")
    page.wait_for_timeout(1500)  # whatever was still on its way is there
    expect(verdict(page)).to_have_text("The ranking appears here.")
    expect(ranked_rows(page)).to_have_count(0)


def test_a_reload_and_another_tab_keep_the_texts_and_another_visitor_sees_none(page_url, open_rank, scorer):
    url = page_url(scorer)
    page = open_rank(url)
    fill(page, "one", "two\n\n  more", "three")
    page.wait_for_function("(sessionStorage.getItem('inform-demo-rank') || '').includes('three')")
    page.get_by_role("tab", name="Compare").click()
    expect(prompt(page)).to_have_count(0)
    show_tab(page)
    expect_answers(page, "one", "two\n\n  more", "three")
    page.reload()
    show_tab(page)
    expect(prompt(page)).to_have_value("which?")
    expect_answers(page, "one", "two\n\n  more", "three")
    expect_answers(open_rank(url), "", "")


def test_a_ranking_asked_for_while_loading_waits_and_answers(open_rank):
    go = threading.Event()

    def load() -> FakeScorer:
        go.wait(30)
        return FakeScorer()

    page = open_rank(ScorerSlot(load))
    fill(page, "one", "one two three")
    rank(page).click()
    expect(button(page, "Ranking…")).to_be_disabled()
    expect(verdict(page)).to_contain_text("Waiting for the model’s answer…")
    go.set()
    expect(verdict(page)).to_contain_text("Answer 2 is ranked first")
    expect(rank(page)).to_be_enabled()


def test_two_visitors_are_served_one_at_a_time_and_see_only_their_own(page_url, open_rank):
    scorer = FakeScorer(delay_s=20)
    url = page_url(scorer)
    first, second = open_rank(url), open_rank(url)
    fill(first, "one", "one two three")
    fill(second, "one two three four secret", "one")
    rank(first).click()
    assert scorer.started.wait(10)
    rank(second).click()
    expect(second.get_by_text("You are number 1 of 1 in the queue.")).to_be_visible()
    scorer.released.set()
    expect(verdict(first)).to_contain_text("Answer 2 is ranked first")
    expect(verdict(second)).to_contain_text("Answer 1 is ranked first")
    expect(ranked_rows(second).nth(1)).to_contain_text("secret")
    expect(ranked_rows(first)).to_have_count(3)
    assert "secret" not in tab(first).inner_text()
    assert scorer.most_running == 1


def test_a_full_queue_turns_away_with_words_and_keeps_the_text(page_url, open_rank):
    scorer = FakeScorer(delay_s=30)
    url = page_url(scorer, ServeConfig(max_queue=1))
    pages = [open_rank(url) for _ in range(3)]
    for i, page in enumerate(pages):
        fill(page, "one", "two")
        rank(page).click()
        if i == 0:
            assert scorer.started.wait(10)
        if i == 1:
            expect(page.get_by_text("You are number 1 of 1 in the queue.")).to_be_visible()
    expect(verdict(pages[2])).to_contain_text("too many people may be waiting")
    expect_answers(pages[2], "one", "two")
    expect(rank(pages[2])).to_be_enabled()
    scorer.released.set()
    expect(verdict(pages[1])).to_contain_text("share first place")


def test_an_unforeseen_fault_is_not_echoed_and_the_next_ranking_works(page, scorer, caplog):
    scorer.error = RuntimeError("secret in /srv/weights")
    fill(page, "one", "two")
    rank(page).click()
    expect(verdict(page)).to_contain_text("Something went wrong on the server")
    assert "secret" not in page.content()
    assert "A request failed." in caplog.text
    scorer.error = None
    rank(page).click()
    expect(verdict(page)).to_contain_text("share first place")


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
@pytest.mark.parametrize("width", [320, 768])
def test_narrow_screens_show_the_verdict_and_nothing_overflows(open_rank, scorer, width, query):
    page = open_rank(scorer, width=width, height=700, query=query)
    button(page, "Try an example").click()
    expect(answer(page, 4)).to_have_value(re.compile("baked"))
    rank(page).click()
    expect(verdict(page).get_by_text("is ranked first")).to_be_in_viewport()
    expect(ranked_rows(page)).to_have_count(5)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_a_chinese_browser_is_answered_in_chinese(page_url, browser):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(page_url(FakeScorer()))
    page.get_by_role("tab", name="排名").click()
    panel = page.locator("#tab-rank")
    panel.get_by_label("提示", exact=True).fill("?")
    panel.get_by_label("回答 1", exact=True).fill("one")
    panel.get_by_label("回答 2", exact=True).fill("one two three")
    panel.get_by_role("button", name="排名（Ctrl+Enter）").click()
    expect(page.get_by_role("status", name="排名结果")).to_contain_text("回答 2 排名第一")
    expect(panel).to_contain_text("两两比较")
    context.close()

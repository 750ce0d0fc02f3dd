"""The Batch tab in a real browser over a stand-in for the model."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from inform_demo.errors import ModelNotReadyError
from tests.doubles import FakeScorer
from tests.ui.visitor import NASTY, tab_to

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)


def rows(n: int) -> list[dict[str, str]]:
    return [
        {"prompt": f"{i} {NASTY}", "response_a": "one " * (i % 9 + 1), "response_b": "two", "label": "a"}
        for i in range(n)
    ]


def opened(page: Page, data: list[dict[str, str]] | bytes, name: str = "pairs.jsonl") -> Page:
    page.get_by_role("tab", name="Batch").click()
    buffer = data if isinstance(data, bytes) else "".join(json.dumps(row) + "\n" for row in data).encode()
    page.locator("#batch-file input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": buffer}
    )
    return page


def run(page: Page):
    return page.locator("#batch-run")


def test_the_example_file_can_be_scored_as_it_is(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    page.get_by_role("tab", name="Batch").click()
    expect(page.get_by_text("CSV, JSONL or Parquet, at most 2,000 rows and 20 MB.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download an example file").click()
    file = Path(tempfile.mkdtemp()) / download.value.suggested_filename
    download.value.save_as(file)
    page.locator("#batch-file input[type=file]").set_input_files(file)
    expect(page.get_by_text("example-pairs.csv: 6 rows, columns prompt, response_a, response_b, label")).to_be_visible()
    run(page).click()
    expect(page.get_by_text("All 6 rows done.")).to_be_visible()
    expect(page.locator("#batch-summary")).to_contain_text("of 3 labelled rows")


def test_the_table_sorts_by_number(page_url, new_page):
    words = (1, 21, 3, 120, 5)  # a margin each; as texts, 11.9 would stand before 2
    data = [{"prompt": "p", "response_a": " ".join(map(str, range(n))), "response_b": "a b c"} for n in words]
    page = opened(new_page(page_url(FakeScorer()), height=1400), data)
    run(page).click()
    expect(page.get_by_text("All 5 rows done.")).to_be_visible()
    table = page.locator("#batch-table")
    margin = table.get_by_role("columnheader").filter(has_text="Margin").last
    numbers = table.get_by_role("row").locator("[role=gridcell]:first-child")
    for order, due in (("ascending", "13524"), ("descending", "42531")):
        margin.click()
        margin.get_by_role("button", name="Open cell menu").click()
        page.get_by_role("menuitem", name=f"Sort {order}").click()
        expect(numbers).to_have_text(list(due))


def test_a_file_is_read_previewed_scored_and_downloaded(page_url, new_page):
    bad = {"prompt": "p", "response_a": " ", "response_b": NASTY, NASTY: NASTY}
    half = {"prompt": "p", "response_a": "\ud800 half", "response_b": "nul \0"}
    data = [*rows(12), bad, half, {"prompt": NASTY, "response_a": NASTY, "response_b": "x" * 100_000}]
    page = opened(new_page(page_url(FakeScorer())), data, "<img src=x onerror=alert(1)>.jsonl")
    expect(page.locator("#batch-note")).to_contain_text("15 rows, columns prompt, response_a, response_b, label, <img")
    expect(page.get_by_label("Label: the better answer")).to_have_value("label")
    expect(page.locator("#batch-preview")).to_contain_text("<img src=x")
    run(page).click()
    expect(page.get_by_text("All 15 rows done.")).to_be_visible()
    summary = page.locator("#batch-summary")
    expect(summary).to_contain_text("of 12 labelled rows (95 % interval")
    expect(summary).to_contain_text("do not rely on its judgement")
    table = page.locator("#batch-table")
    table.get_by_placeholder("Filter...").fill("empty")
    expect(table).to_contain_text("response_a is empty.")
    table.get_by_placeholder("Filter...").fill("Unicode")
    expect(table).to_contain_text("not valid Unicode")
    expect(run(page)).to_have_text("Score all rows")
    expect(page.locator("#batch-plot canvas, #batch-plot svg").first).to_be_visible()
    page.get_by_text("The same as a table").last.click()
    for name, check in (("CSV", "row,prompt"), ("JSONL", '"margin": '), ("LLM Comparator", '"examples"')):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert check in download.value.path().read_text()
    expect(page.locator("#tab-batch, #batch-result").locator("img, script, a[href^=javascript]")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_the_table_can_be_sorted_and_filtered(page_url, new_page):
    page = opened(new_page(page_url(FakeScorer())), rows(9))
    run(page).click()
    table = page.locator("#batch-table")
    expect(table).to_contain_text("8 <img")
    table.get_by_placeholder("Filter...").fill("7 <img")
    expect(table).not_to_contain_text("8 <img")
    expect(table).to_contain_text("7 <img")


def test_stop_keeps_what_is_done_and_go_on_does_the_rest_while_others_are_served(page_url, new_page):
    scorer = FakeScorer(delay_s=0.4)
    url = page_url(scorer)
    page = opened(new_page(url), rows(40))
    run(page).click()
    expect(page.get_by_text(re.compile(r"^\d+ of 40 rows, about"))).to_be_visible()
    other = new_page(url)
    other.get_by_label("Prompt", exact=True).fill("which?")
    other.get_by_label("Answer A", exact=True).fill("one")
    other.get_by_label("Answer B", exact=True).fill("two three")
    other.get_by_role("button", name="Compare (Ctrl+Enter)").click()
    expect(other.get_by_role("status", name="Verdict")).to_contain_text("Margin")
    expect(other.locator("#batch-result")).to_have_count(0)
    expect(page.locator('[data-state="running"]')).to_be_visible()
    page.locator("#batch-stop").click()
    expect(page.get_by_text(re.compile(r"^Stopped at \d+ of 40 rows"))).to_be_visible()
    expect(page.locator("#batch-table")).to_contain_text("0 <img")
    scorer.delay_s = 0
    expect(run(page)).to_have_text("Go on")
    run(page).click()
    expect(page.get_by_text("All 40 rows done.")).to_be_visible()
    assert [call[0].split()[0] for call in scorer.calls if call[0] != "which?"] == [str(i) for i in range(40)]


def test_a_model_that_goes_away_loses_no_row(page_url, new_page):
    scorer = FakeScorer(delay_s=0.4)
    page = opened(new_page(page_url(scorer)), rows(12))
    run(page).click()
    expect(page.get_by_text(re.compile(r"of 12 rows, about"))).to_be_visible()
    scorer.error = ModelNotReadyError("The model is gone.")
    told = page.get_by_role("status", name="Progress")
    expect(told).to_have_text("The model is gone. The rows done so far are kept below; Go on scores the rest.")
    expect(page.locator("#batch-progress").get_by_text("The model is gone.")).to_be_visible()
    expect(page.locator("#batch-table")).to_contain_text("0 <img")
    scorer.error, scorer.delay_s = None, 0
    expect(run(page)).to_be_enabled()
    run(page).click()
    expect(page.get_by_text("All 12 rows done.")).to_be_visible()


def test_a_lost_connection_loses_no_row_and_another_visitor_sees_none(page_url, new_page):
    scorer = FakeScorer(delay_s=0.4)
    url = page_url(scorer)
    page = opened(new_page(url), rows(12))
    run(page).click()
    expect(page.get_by_text(re.compile(r"of 12 rows, about"))).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_test_id("toast-text")).to_contain_text("Connection to the server was lost")
    page.context.set_offline(False)
    # Gradio reloads the page as soon as it has the server back.
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Batch").click()
    expect(page.get_by_text(re.compile(r"^Stopped at \d+ of 12 rows"))).to_be_visible()
    expect(page.locator("#batch-table")).to_contain_text("0 <img")
    expect(page.get_by_label("Label: the better answer")).to_have_value("label")
    scorer.delay_s = 0
    run(page).click()
    expect(page.get_by_text("All 12 rows done.")).to_be_visible()
    assert [call[0].split()[0] for call in scorer.calls] == [str(i) for i in range(12)]
    other = new_page(url)
    other.get_by_role("tab", name="Batch").click()
    expect(other.get_by_text("at most 2,000 rows")).to_be_visible()
    expect(other.locator("#batch-setup, #batch-result")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("pairs.csv", b"a,b\n1\n", "expected 2 cells as in the header; got 1"),
        ("pairs.parquet", b"nothing", "is not Parquet"),
        ("pairs.jsonl", b'{"x": 1}\n' * 2001, "has more than 2,000 rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(page_url, new_page, name, data, words):
    page = opened(new_page(page_url(FakeScorer())), data.replace(b"\n", b"\n"), name)
    expect(page.locator("#batch-note")).to_contain_text(words)
    expect(run(page)).to_be_disabled()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("pairs.txt", b"a,b\n1,2\n", "Only .csv, .jsonl, .parquet allowed"),
        ("pairs.csv", b"a" * 20_000_001, "exceed the maximum allowed size of 19.1 Mb"),
    ],
)
def test_a_file_that_is_not_even_sent_is_named_and_the_next_one_is_read(page_url, new_page, name, data, words):
    page = opened(new_page(page_url(FakeScorer())), data, name)
    expect(page.get_by_test_id("toast-text")).to_contain_text(words)
    expect(run(page)).to_be_disabled()
    opened(page, rows(1))
    expect(page.locator("#batch-note")).to_contain_text("pairs.jsonl: 1 rows")
    expect(run(page)).to_be_enabled()


def test_columns_that_are_not_known_must_be_chosen(page_url, new_page):
    messages = [{"role": role, "content": "hello"} for role in ("user", "assistant", "user")]
    sheet = io.BytesIO()
    pd.DataFrame([{"q": messages, "x": "one", "y": "one two three four"}]).to_parquet(sheet)
    scorer = FakeScorer()
    page = opened(new_page(page_url(scorer)), sheet.getvalue(), "pairs.parquet")
    run(page).click()
    expect(page.get_by_role("status", name="Progress")).to_have_text("Choose the columns of both answers.")
    for label, column in (("Prompt", "q"), ("Answer A", "x"), ("Answer B", "y")):
        box = page.locator("#batch-setup").get_by_label(label, exact=True)
        box.click()
        page.get_by_role("option", name=column, exact=True).click()
        expect(page.get_by_role("listbox")).to_have_count(0)
        expect(box).to_have_value(column)
    run(page).click()
    expect(page.get_by_text("All 1 rows done.")).to_be_visible()
    expect(page.locator("#batch-table")).to_contain_text("-0.3")
    assert len(scorer.conversations[0][0].messages) == 4


def choose(page: Page, label: str, column: str) -> None:
    box = page.locator("#batch-setup").get_by_label(label, exact=True)
    box.click()
    page.get_by_role("option", name=column, exact=True).click()
    expect(box).to_have_value(column)


def saved(page: Page) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    return download.value.path().read_text()


def test_other_columns_and_a_refused_file_leave_what_is_done(page_url, new_page):
    page = opened(new_page(page_url(FakeScorer())), rows(3))
    run(page).click()
    expect(page.get_by_text("All 3 rows done.")).to_be_visible()
    choose(page, "Answer A", "prompt")
    expect(run(page)).to_have_text("Score all rows")
    expect(page.locator("#batch-table")).to_contain_text("0 <img")
    assert saved(page).count("\n") == 4
    opened(page, b"a,b\n1\n", "bad.csv")
    expect(page.locator("#batch-note")).to_contain_text("got 1. The file before it is still here.")
    assert saved(page).count("\n") == 4
    expect(run(page)).to_be_enabled()


def test_a_column_that_is_changed_on_the_way_stops_nothing(page_url, new_page):
    scorer = FakeScorer(delay_s=0.4)
    page = opened(new_page(page_url(scorer)), rows(12))
    run(page).click()
    expect(page.get_by_text(re.compile(r"of 12 rows, about"))).to_be_visible()
    choose(page, "Answer A", "prompt")
    scorer.delay_s = 0
    expect(page.get_by_text("All 12 rows done.")).to_be_visible()
    assert [call[1].split()[0] for call in scorer.calls] == ["one"] * 12
    expect(run(page)).to_have_text("Score all rows")
    expect(run(page)).to_be_enabled()


@pytest.mark.parametrize("width", [320, 768, 1440])
def test_nothing_overflows_before_or_after_scoring(page_url, new_page, width):
    fits = "document.scrollingElement.scrollWidth <= innerWidth"
    page = opened(new_page(page_url(FakeScorer()), width=width), rows(9))
    expect(page.locator("#batch-setup")).to_be_visible()
    assert page.evaluate(fits)
    run(page).click()
    expect(page.get_by_text("All 9 rows done.")).to_be_visible()
    expect(page.locator("#batch-table")).to_contain_text("8 <img")
    page.get_by_text("The same as a table").last.click()
    assert page.evaluate(fits)


def test_run_stop_and_download_are_within_reach_of_the_keyboard(page_url, new_page):
    scorer = FakeScorer(delay_s=0.4)
    page = opened(new_page(page_url(scorer)), rows(40))
    expect(run(page)).to_be_enabled()
    page.locator("#batch-file").focus()
    tab_to(page, "#batch-run")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(r"^\d+ of 40 rows, about"))).to_be_visible()
    tab_to(page, "#batch-stop")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(r"^Stopped at \d+ of 40 rows"))).to_be_visible()
    expect(page.locator("#batch-table")).to_contain_text("0 <img")
    tab_to(page, "#batch-downloads button")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert "one" in download.value.path().read_text()


def test_an_uploaded_file_is_gone_from_the_server(page_url, new_page):
    page = opened(new_page(page_url(FakeScorer())), [{**rows(1)[0], "prompt": "unmistakable-7315"}], "gone.jsonl")
    expect(page.locator("#batch-preview")).to_contain_text("unmistakable-7315")
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert folder.is_dir()
    assert not [file for file in folder.rglob("*") if file.is_file() and b"unmistakable-7315" in file.read_bytes()]

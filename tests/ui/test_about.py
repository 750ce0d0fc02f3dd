"""The About tab in a real browser: its card follows the model, in the visitor's language."""

from __future__ import annotations

import io
import threading
from contextlib import suppress

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from inform_demo.errors import CheckpointError
from inform_demo.slot import ScorerSlot
from tests.doubles import FakeScorer

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)


def open_about(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    expect(page.get_by_role("heading", name="The model that answers here")).to_be_visible()


def test_the_card_of_a_loaded_model_is_there_when_the_tab_is_opened(page_url, new_page):
    page = new_page(page_url(FakeScorer(is_embedded=False)))
    open_about(page)
    expect(page.get_by_text("fp32: It computes nothing.").locator("visible=true")).to_be_visible()
    expect(page.get_by_text("What it was measured to do")).to_have_count(0)


def test_the_card_of_the_embedded_model_has_its_results_folded(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    open_about(page)
    table = page.get_by_role("table", name="INFORM-embedded")
    expect(table).to_be_hidden()
    page.get_by_text("Each set by itself").click()
    expect(table).to_be_visible()
    expect(table.get_by_role("columnheader", name="Going by length alone")).to_be_visible()


def test_a_visitor_who_waits_on_the_tab_sees_the_card_come(page_url, new_page):
    go = threading.Event()

    def load() -> FakeScorer:
        go.wait(30)
        return FakeScorer()

    page = new_page(page_url(ScorerSlot(load)))
    open_about(page)
    expect(page.get_by_text("The model is still loading; what is known")).to_be_visible()
    go.set()
    expect(page.get_by_text("What it was measured to do")).to_be_visible()


def test_a_failed_load_says_why(page_url, new_page):
    def load() -> FakeScorer:
        raise CheckpointError("weights.safetensors is cut short <b>.")

    page = new_page(page_url(ScorerSlot(load)))
    open_about(page)
    expect(page.locator("#about-model").get_by_text("weights.safetensors is cut short <b>.")).to_be_visible()


def test_everything_else_is_there_and_nothing_overflows_on_a_phone(page_url, new_page):
    url = page_url(FakeScorer())
    for width, query in ((1280, ""), (320, "?__theme=dark")):
        page = new_page(url, width=width, height=640, query=query)
        page.get_by_role("tab", name="About").click()
        for heading in ("What the scores can bear", "Words used here", "Where your text goes", "How INF-ORM-70B was"):
            expect(page.get_by_role("heading", name=heading)).to_be_visible()
        for table in ("What GPT-4o was asked", "The two trainings", "RewardBench leaderboard of December 2024"):
            expect(page.get_by_role("table", name=table)).to_be_visible()
        page.get_by_text("Each set by itself").click()
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_a_table_that_goes_on_beyond_the_edge_has_a_shadow_there_and_only_there(page_url, new_page, query):
    page = new_page(page_url(FakeScorer()), width=320, height=640, query=query)
    page.get_by_role("tab", name="About").click()
    region = page.get_by_role("region", name="RewardBench leaderboard of December 2024")
    region.scroll_into_view_if_needed()

    def ground(side: int) -> int:
        """The commonest grey along an edge."""
        image = Image.open(io.BytesIO(region.screenshot())).convert("L")
        x = 1 if side < 0 else image.width - 2
        greys = [image.getpixel((x, y)) for y in range(image.height)]
        return max(set(greys), key=greys.count)

    def check() -> None:
        region.evaluate("e => { e.scrollLeft = 0; }")
        left, right = ground(-1), ground(1)
        assert abs(left - right) > 30
        region.evaluate("e => { e.scrollLeft = e.scrollWidth; }")
        assert abs(ground(-1) - right) < 5
        assert abs(ground(1) - left) < 5

    assert region.evaluate("e => e.scrollWidth > e.clientWidth + 40")
    for _ in range(20):  # a busy machine may show a tab before it has painted it
        with suppress(AssertionError):
            check()
            break
        page.wait_for_timeout(200)
    else:
        check()


def test_a_chinese_browser_gets_the_tab_in_chinese(page_url, browser):
    context = browser.new_context(locale="zh-CN")
    try:
        page = context.new_page()
        page.goto(page_url(FakeScorer()))
        page.get_by_role("tab", name="关于").click()
        expect(page.get_by_role("heading", name="这里使用的模型")).to_be_visible()
        expect(page.get_by_role("heading", name="本页用语")).to_be_visible()
        expect(page.get_by_text("随本页面附带的小型演示模型")).to_be_visible()
    finally:
        context.close()

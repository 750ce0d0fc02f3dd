"""The About tab in a real browser: its card follows the model, in the visitor's language."""

from __future__ import annotations

import threading

import pytest
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
    expect(table.get_by_role("columnheader", name="Preferring the longer answer")).to_be_visible()


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

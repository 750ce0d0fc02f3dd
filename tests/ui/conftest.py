"""Fixtures for tests in a real browser: find Chromium, serve a page over any scorer, open it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.types import Scorer
from inform_demo.ui.layout import build_demo, launch
from tests.doubles import FakeScorer

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

PageUrl = Callable[..., str]


def _find_chromium() -> str | None:
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


# A module's own: Playwright leaves its event loop running in the thread, where others would find it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = _find_chromium()
    if path is None:
        reason = "no Chromium: install one, or set CHROMIUM to its path"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page_url() -> Iterator[PageUrl]:
    """A function that serves a page over a scorer, or over a slot, and returns its address; closed after the test."""
    demos = []

    def serve(scorer: Scorer | ScorerSlot, config: ServeConfig | None = None, model: str = "a-model") -> str:
        slot = scorer if isinstance(scorer, ScorerSlot) else ScorerSlot(lambda: scorer)
        config = config or ServeConfig()
        demo = build_demo(slot, config, model)
        demos.append(demo)
        return launch(demo, config, prevent_thread_lock=True, quiet=True)

    yield serve
    for demo in demos:
        demo.close(verbose=False)


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens an address in a browser context of its own and waits until the page is there."""
    contexts = []

    def open_page(url: str, width: int = 1280, height: int = 900, query: str = "", locale: str = "en-US") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", locale=locale
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.requested = []  # every address the page asks for, from its first
        page.posted = []  # and what it sends
        page.on("request", lambda request: page.requested.append(request.url))
        page.on("request", lambda request: page.posted.append(request.post_data or ""))
        page.goto(f"{url}{query}")
        page.locator("#prompt textarea").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def scorer():
    return FakeScorer()


@pytest.fixture
def page(page_url, new_page, scorer):
    return new_page(page_url(scorer))

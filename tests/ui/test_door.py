"""What the gate does to a visitor's browser: limits in words, embedding, a policy that the page keeps, a password."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from inform_demo.config import ServeConfig
from inform_demo.web import serving
from tests.doubles import FakeScorer
from tests.ui.visitor import compare, expect_kept, fill, turned_away, verdict
from tests.web.conftest import answer, ask

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)


def test_the_page_keeps_its_own_policy(page_url, browser):
    context = browser.new_context()
    page = context.new_page()
    told = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(page_url(FakeScorer()))
    fill(page, "which?", "one", "one two three")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    for tab in ("Rank", "Batch", "About"):
        page.get_by_role("tab", name=tab).click()
    assert not [text for text in told if "Content Security Policy" in text or "Content-Security-Policy" in text]
    # And the browser does enforce it.
    blocked = page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'blocked')")
    assert blocked == "blocked"
    assert any("Content Security Policy" in text for text in told)
    context.close()


def test_a_visitor_who_asks_too_fast_is_told_when_to_come_back_and_keeps_the_text(page_url, new_page):
    page = new_page(page_url(FakeScorer(), ServeConfig(rate_limit=1)))
    fill(page, "which?", "one", "one two three")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    compare(page).and_(page.locator(":enabled")).click()
    expect(page.get_by_text(re.compile(r"Come back in \d+ s\. Your text is kept\."))).to_be_visible()
    expect_kept(page, "which?", "one", "one two three")


def test_a_full_queue_says_when_to_come_back(page_url, new_page):
    scorer = FakeScorer()
    _, late = turned_away(scorer, page_url, new_page)
    words = re.compile(r"All 1 places in the queue are taken\. Come back in about \d+ s")
    expect(late.get_by_text(words)).to_be_visible()
    expect_kept(late, "which?", "one", "two")
    scorer.released.set()


def test_who_comes_back_after_hundreds_of_others_is_told_that_the_result_is_gone(page_url, new_page, monkeypatch):
    monkeypatch.setattr(serving, "MOST_SESSIONS", 2)
    url = page_url(FakeScorer())
    page = new_page(url)
    fill(page, "which?", "one", "one two three")
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    for _ in range(4):
        answer(url, ask(url))
    page.get_by_role("tab", name="How this was computed").click()
    page.get_by_role("button", name="Check the order").click()
    expect(page.get_by_text("The server no longer has this result; compare again.").first).to_be_visible()
    expect_kept(page, "which?", "one", "one two three")
    compare(page).click()
    page.get_by_role("button", name="Check the order").click()
    expect(page.get_by_text("both rewards are the same to the last bit (difference 0)")).to_be_visible()


@pytest.fixture
def embedding_page():
    """A function that serves a page of another origin with another page in a frame; returns its address."""
    servers = []

    def serve(framed):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(f'<iframe src="{framed}" width="900" height="700"></iframe>'.encode())

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("allowed", [False, True])
def test_another_site_frames_the_page_only_where_that_is_allowed(page_url, browser, embedding_page, allowed):
    config = ServeConfig(frame_ancestors="http://127.0.0.1:*" if allowed else None)
    context = browser.new_context()
    page = context.new_page()
    page.goto(embedding_page(page_url(FakeScorer(), config)))
    field = page.frame_locator("iframe").get_by_label("Prompt", exact=True)
    if allowed:
        expect(field).to_be_visible()
    else:
        page.wait_for_load_state("networkidle")
        expect(field).to_have_count(0)
    context.close()


def test_a_password_is_asked_for_and_opens_the_page(page_url, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto(page_url(FakeScorer(), ServeConfig(auth="ann:secret")))
    page.get_by_label("username").fill("ann")
    page.get_by_label("password").fill("secret")
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    context.close()

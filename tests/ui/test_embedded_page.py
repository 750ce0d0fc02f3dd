"""End to end: a real browser, the real page, the real embedded checkpoint."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from inform_demo.preference import describe_preference
from inform_demo.ui.examples import ORANGES
from inform_demo.ui.view import format_reward

pytestmark = pytest.mark.browser


def test_the_oranges_are_compared_and_the_verdict_is_read(page_url, new_page, embedded_scorer):
    page = new_page(page_url(embedded_scorer))
    page.get_by_role("button", name="Oranges").click()
    expect(page.get_by_label("Answer A")).to_have_value(ORANGES.response_a)
    page.get_by_role("button", name=re.compile("Compare")).click()
    expected = embedded_scorer.compare(ORANGES.prompt, ORANGES.response_a, ORANGES.response_b)
    verdict = page.get_by_role("status", name="Verdict")
    expect(verdict).to_contain_text(describe_preference(expected.margin))
    expect(verdict).to_contain_text(format_reward(expected.reward_a))
    expect(verdict).to_contain_text(format_reward(expected.reward_b))
    expect(verdict).to_contain_text("Small demonstration model: do not rely on its judgement.")
    published = page.get_by_role("row", name=re.compile("Published for INF-ORM-70B"))
    expect(published).to_contain_text("4.97")
    expect(published).to_contain_text("2.89")

"""Make docs/compare.png, the picture at the top of the README: the embedded model on the oranges.

    python docs/make_screenshot.py

Needs Chromium, as the browser tests do.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from inform_demo.config import DEFAULT_TIE_BAND, ModelConfig, ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.verification import load_verified_scorer


def main() -> None:
    """Serve, compare, and photograph the page down to the trace."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium found; install one")
    scorer = load_verified_scorer(ModelConfig(), DEFAULT_TIE_BAND)
    demo = build_demo(ScorerSlot(lambda: scorer), ServeConfig())
    url = launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1120, "height": 1000}, reduced_motion="reduce")
        page.goto(url)
        page.get_by_role("button", name="Oranges").click()
        page.get_by_role("button", name="Compare (Ctrl+Enter)").click()
        page.locator("#trace .shaded").first.wait_for()
        page.locator("#trace-plot canvas, #trace-plot svg").last.wait_for()
        page.get_by_role("button", name="Compare (Ctrl+Enter)").and_(page.locator(":enabled")).wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(2000)  # the plot draws itself in steps
        page.evaluate("scrollTo(0, 0)")
        bottom = page.locator("#trace-plot").bounding_box()
        height = int(bottom["y"] + bottom["height"]) + 16 if bottom else 1000
        page.set_viewport_size({"width": 1120, "height": height})
        page.screenshot(path=Path(__file__).parent / "compare.png")
        browser.close()
    demo.close(verbose=False)


if __name__ == "__main__":
    main()

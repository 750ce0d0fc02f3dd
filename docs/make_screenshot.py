"""Make docs/compare.png, the picture at the top of the README: the embedded model on the oranges.

    python docs/make_screenshot.py                  # --to FILE for another place
    python docs/make_screenshot.py --states FOLDER  # every state of the Compare tab in both themes, over a stand-in

Needs Chromium, as the browser tests do.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from inform_demo.config import DEFAULT_TIE_BAND, ModelConfig, ServeConfig
from inform_demo.errors import CheckpointError, ConversationTooLongError
from inform_demo.slot import ScorerSlot
from inform_demo.ui.layout import build_demo, launch
from inform_demo.verification import load_verified_scorer

PAIR = ("Which colour has the sky?", "Blue.", "Blue by day, black by night, and red when the sun sets.")


@dataclass(frozen=True)
class State:
    """How the page comes to look like this, and the words to be read once it does.

    Attributes:
        n_before: visitors who compare before, and are not answered.
        fault: raised by the model; by its loading where it is a fault of that.
    """

    words: str
    texts: tuple[str, str, str] = PAIR
    n_before: int = 0
    delay_s: float = 0
    fault: Exception | None = None
    is_loading: bool = False
    is_cut_off: bool = False


STATES = {
    "loading": State("Waiting for the model’s answer", is_loading=True),
    "waiting": State("You are number 1 of 1 in the queue.", n_before=1, delay_s=120),
    "computing": State("Computing…", delay_s=120),
    "answered": State("Answer B is better", ("Count.", "1", " ".join(map(str, range(20))))),
    "tie": State("Too close to call", ("Which colour has the sky?", "Blue.", "Light blue.")),
    "too-long": State("Shorten it by", fault=ConversationTooLongError(9000, 8192, "Answer A with its prompt")),
    "empty": State("Answer B is empty", ("Which colour has the sky?", "Blue.", " ")),
    "queue-full": State("Not compared", n_before=2, delay_s=120),
    "failed": State("Not compared", fault=CheckpointError("weights.safetensors is cut short.")),
    "connection-lost": State("Connection to the server was lost", is_cut_off=True),
}


def ask(page: Page, texts: tuple[str, str, str]) -> None:
    """Fill in and press Compare."""
    for field, text in zip(("prompt", "answer-a", "answer-b"), texts, strict=True):
        page.locator(f"#{field} textarea").fill(text)
    page.locator("#compare").click()


def photograph_states(browser: Browser, folder: Path) -> None:
    """One picture a state and theme."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, state in STATES.items():
        for theme in ("light", "dark"):
            photograph_state(browser, state, theme, folder / f"{name}-{theme}.png")


def photograph_state(browser: Browser, state: State, theme: str, file: Path) -> None:
    """Serve a stand-in, bring a page into a state, and take its picture."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.doubles import FakeScorer

    scorer, go = FakeScorer(state.delay_s, state.fault), threading.Event()

    def load() -> FakeScorer:
        if isinstance(state.fault, CheckpointError):
            raise state.fault
        if state.is_loading:
            go.wait()
        return scorer

    config = ServeConfig(max_queue=1)
    demo = build_demo(ScorerSlot(load), config, "a-model")
    url = launch(demo, config, prevent_thread_lock=True, quiet=True)
    contexts = [browser.new_context(viewport={"width": 1120, "height": 1000}) for _ in range(state.n_before + 1)]
    for context in contexts:
        page = context.new_page()
        page.goto(f"{url}?__theme={theme}")
        page.locator("#prompt textarea").wait_for()
        context.set_offline(state.is_cut_off)
        ask(page, state.texts)
        page.wait_for_timeout(1500)
    page.get_by_text(state.words).locator("visible=true").first.wait_for()
    page.screenshot(path=file)
    scorer.released.set()
    go.set()
    for context in contexts:
        context.close()
    demo.close(verbose=False)


def photograph_oranges(browser: Browser, file: Path) -> None:
    """Serve, compare, and photograph the page down to the trace."""
    scorer = load_verified_scorer(ModelConfig(), DEFAULT_TIE_BAND)
    demo = build_demo(ScorerSlot(lambda: scorer), ServeConfig())
    page = browser.new_page(viewport={"width": 1120, "height": 1000}, reduced_motion="reduce")
    page.goto(launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True))
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
    page.screenshot(path=file)
    demo.close(verbose=False)


def main() -> None:
    """Take the picture, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "compare.png", metavar="FILE")
    parser.add_argument("--states", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium found; install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        if options.states:
            photograph_states(browser, options.states)
        else:
            photograph_oranges(browser, options.to)
        browser.close()


if __name__ == "__main__":
    main()

"""Share links for the script that reads them, `inform_demo/ui/page.js`, in a real browser: good, damaged and hostile.

Run by `fuzz_inputs.py --kind share-links`. Each link is put after the address of a page that is open, and read by the
very function that reads one when the page is opened. A good link gives its texts; any other gives the sentence for a
broken one; nothing in it runs. At the end the page is opened with a hostile link, and still compares.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st
from playwright.sync_api import Page, sync_playwright

from inform_demo import load_scorer
from inform_demo.config import ServeConfig
from inform_demo.slot import ScorerSlot
from inform_demo.ui.handlers import MAX_EXCHANGES
from inform_demo.ui.layout import build_demo, launch
from inform_demo.ui.texts import ENGLISH

# Prompt, two answers, system prompt, earlier turns.
N_TEXTS = 4 + 2 * MAX_EXCHANGES

HOSTILE = (
    "<img src=x onerror=\"window.hacked='img'\">",
    "<script>window.hacked='script'</script>",
    "${window.hacked='template'}",
    "{{constructor.constructor(\"window.hacked='mustache'\")()}}",
    "[a](javascript:window.hacked='link')\u202e",
    "javascript:window.hacked='scheme'",
    "nul \x00 inside",
)

# A browser lets a page change its address a few hundred times in ten seconds, and then no more for a while.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-ipc-flooding-protection"]

READ = """async ([code, n]) => {
    location.hash = "#compare=" + code;
    const got = await inform.recall(Array(n).fill(""));
    return { texts: got.slice(0, n), note: got.slice(n), hash: location.hash, hacked: window.hacked ?? null };
}"""


def pack(value: object) -> str:
    """A value as the page packs texts; bytes as they are."""
    deflate = zlib.compressobj(wbits=-15)
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(deflate.compress(data) + deflate.flush()).decode().rstrip("=")


TEXT = st.one_of(st.text(), st.sampled_from(HOSTILE), st.just("🍊" * 20_000))
TEXTS = st.lists(TEXT, min_size=N_TEXTS, max_size=N_TEXTS)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
NO_TEXT = VALUE.filter(lambda value: not isinstance(value, str))
# One place that holds no text; too few or too many; an object that Gradio would take for an update.
ALMOST = st.one_of(
    st.builds(
        lambda texts, i, value: [*texts[:i], value, *texts[i + 1 :]], TEXTS, st.integers(0, N_TEXTS - 1), NO_TEXT
    ),
    st.lists(TEXT, max_size=2 * N_TEXTS).filter(lambda texts: len(texts) != N_TEXTS),
    st.just([{"__type__": "update", "value": HOSTILE[0]}] * N_TEXTS),
    VALUE.filter(lambda value: not isinstance(value, list)),
)
HUGE = tuple(
    pack(data)
    for data in (
        b"[" * 1_000_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'["' + b"a" * 9_000_000 + b'"]',
        b"[" + b"9" * 1_000_000 + b"]",
        b'["' + b"\xed\xa0\x80" + b'"]',
        b"\xff\xfe" * 1000,
    )
)
BROKEN = st.one_of(
    st.text(),
    st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()),
    st.binary().map(pack),
    ALMOST.map(pack),
    st.builds(lambda texts, n: pack(texts)[:-n], TEXTS, st.integers(1, 40)),
    st.builds(lambda texts, bad: pack(texts) + bad, TEXTS, st.sampled_from(["%", "é", "<", "'", "%00", "#", "&a=b"])),
    st.builds(lambda texts: pack(json.dumps(texts).encode()[:-1]), TEXTS),
    st.sampled_from(HOSTILE),
    st.sampled_from(HUGE),
)
# A code, and the texts it has to give.
LINKS: st.SearchStrategy[tuple[str, list[str] | None]] = st.one_of(
    TEXTS.map(lambda texts: (pack(texts), texts)),
    BROKEN.map(lambda code: (code, None)),
    BROKEN.map(lambda c: (c, None)),
)


def check_link(page: Page, code: str, texts: list[str] | None) -> None:
    """Read one link; an assertion fails where it is read as anything but what it is."""
    got = page.evaluate(READ, [code, N_TEXTS])
    words = ENGLISH.compare.share_broken if texts is None else ENGLISH.compare.share_opened
    assert got["note"] == [f'<p class="placeholder">{words}</p>'], got["note"]
    assert got["texts"] == (texts or [""] * N_TEXTS)
    assert (got["hash"], got["hacked"]) == ("", None)


def check_page(page: Page, url: str) -> None:
    """Open a broken and a hostile link as a visitor does, and compare."""
    verdict = page.get_by_role("status", name="Verdict")
    for code, words in (("AAAA", ENGLISH.compare.share_broken), (pack([HOSTILE[0]] * N_TEXTS), "")):
        page.goto("about:blank")
        page.goto(f"{url}#compare={code}")
        verdict.get_by_text(words or ENGLISH.compare.share_opened).wait_for()
    page.locator("#compare").click()
    verdict.get_by_text("Margin").first.wait_for()
    assert page.evaluate("window.hacked ?? null") is None


@contextmanager
def link_checker() -> Iterator[Callable[[str, list[str] | None], None]]:
    """A page that is open, and what reads a link in it; at the end the page has to be of use still."""
    scorer = load_scorer()
    demo = build_demo(ScorerSlot(lambda: scorer), ServeConfig())
    url = launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        sys.exit("Share links are read in a browser: install Chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_context(locale="en").new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.get_by_label(ENGLISH.page.prompt, exact=True).wait_for()
        yield lambda code, texts: check_link(page, code, texts)
        check_page(page, url)
        browser.close()
    demo.close(verbose=False)

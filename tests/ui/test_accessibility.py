"""axe-core's WCAG 2.1 A and AA rules on every tab, in both themes, before and after scoring, with everything unfolded.

The script is the one that axe-playwright-python carries, so nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect

from tests.doubles import FakeScorer
from tests.ui.visitor import compare, verdict

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

THEMES = {"light": "", "dark": "?__theme=dark"}


@dataclass(frozen=True)
class Known:
    """A fault in Gradio's own markup, which no setting of ours changes.

    Attributes:
        selector: matches the element that axe names.
        why: what it is, and why it stands.
    """

    rule: str
    selector: str
    why: str


CODE = Known(
    "scrollable-region-focusable",
    "#export .cm-scroller",
    "Gradio's code that is only shown takes no focus; the buttons to copy and download it do.",
)

KNOWN: dict[str, tuple[Known, ...]] = {"light": (CODE,), "dark": (CODE,)}

# Resolves when nothing has changed in the page for a moment: results, tabs and folds are drawn by scripts.
SETTLED = """() => new Promise((resolve) => {
    const done = () => { observer.disconnect(); resolve(); };
    let timer = setTimeout(done, 300);
    const observer = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, 300); });
    observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
})"""

CHECK = """async ([levels, known]) => {
    const results = await axe.run({ runOnly: levels, resultTypes: ["violations"] });
    const faults = results.violations.flatMap((violation) => violation.nodes.map((node) => {
        const element = document.querySelector(node.target[0]);
        const i = known.findIndex(([rule, selector]) => rule === violation.id && element.matches(selector));
        const target = node.target.join(" ");
        return { rule: violation.id, target, html: node.html, why: node.failureSummary, known: i };
    }));
    return [results.passes.length, faults];
}"""


def prepare(page: Page) -> None:
    # A colour half way through its transition is no fault.
    page.add_style_tag(content="* { animation: none !important; transition: none !important; }")
    page.evaluate(AXE_SCRIPT)


def check(page: Page, theme: str, place: str) -> list[dict]:
    page.evaluate(SETTLED)
    known = [[one.rule, one.selector] for one in KNOWN[theme]]
    n_passed, faults = page.evaluate(CHECK, [LEVELS, known])
    assert n_passed > 10, f"{place}: axe checked next to nothing"
    return [{"place": place, **fault} for fault in faults]


def unfold(page: Page) -> None:
    """Open whatever is folded, and what was folded inside it."""
    folded = page.locator("button[aria-expanded=false], details:not([open]) > summary").locator("visible=true")
    for _ in range(30):
        if not folded.count():
            return
        folded.first.click()
        page.evaluate(SETTLED)
    raise AssertionError("something cannot be unfolded")


def tabs(scope: Page | Locator) -> list[Locator]:
    return [tab for tab in scope.get_by_role("tab").all() if tab.is_visible()]


def open_tab(tab: Locator) -> str:
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
    return tab.inner_text()


def inner_tabs(page: Page, scope: str, place: str) -> Iterator[str]:
    """Open every tab inside a part of the page."""
    assert tabs(page.locator(scope)), f"{scope} has no tabs"
    for tab in tabs(page.locator(scope)):
        name = open_tab(tab)
        unfold(page)
        yield f"{place}, {name}"


def states(page: Page) -> Iterator[str]:
    """Bring the page into one state after another; yields what it shows."""
    expect(page.get_by_text("Ready · demonstration model fake-reward-model").first).to_be_visible()
    outer = tabs(page)
    yield "Compare, empty"
    compare(page).click()
    expect(verdict(page)).to_contain_text("Prompt is empty")
    yield "Compare, with the note of an error"
    page.get_by_role("button", name="Several turns").click()
    compare(page).click()
    expect(verdict(page)).to_contain_text("Margin")
    yield "Compare, scored"
    unfold(page)
    yield "Compare, unfolded"
    yield from inner_tabs(page, "#result", "Compare, scored")
    for tab in outer[1:]:
        name = open_tab(tab)
        yield name
        unfold(page)
        yield f"{name}, unfolded"
        if name == "Rank":
            page.locator("#rank-example").click()
            page.locator("#rank").click()
            expect(page.locator("#rank-result")).to_be_visible()
            unfold(page)
            yield "Rank, scored"
        if name == "Batch":
            rows = b'{"prompt": "p", "response_a": "one", "response_b": "one two three", "label": "b"}\n' * 3
            page.locator("#batch-file input[type=file]").set_input_files(
                {"name": "pairs.jsonl", "mimeType": "text/plain", "buffer": rows}
            )
            expect(page.locator("#batch-setup")).to_be_visible()
            yield "Batch, read"
            page.locator("#batch-run").click()
            expect(page.locator("#batch-result")).to_be_visible()
            unfold(page)
            yield "Batch, scored"


def describe(faults: list[dict]) -> str:
    """One entry a rule and element, with the place where it was seen first."""
    firsts: dict[tuple[str, str], dict] = {}
    for fault in faults:
        firsts.setdefault((fault["rule"], fault["target"]), fault)
    return "\n\n".join(
        f"{one['rule']} at {one['target']} ({one['place']})\n{one['html']}\n{one['why']}" for one in firsts.values()
    )


@pytest.mark.parametrize("theme", THEMES)
def test_no_fault_of_ours_no_forgotten_one_of_gradios_and_no_other_server_asked(page_url, new_page, theme):
    url = page_url(FakeScorer())
    page = new_page(url, query=THEMES[theme])
    prepare(page)
    places, faults = [], []
    for place in states(page):
        places.append(place)
        faults += check(page, theme, place)
    assert {"Compare, empty", "Rank", "Batch", "About, unfolded"} <= set(places)
    assert sum(place.startswith("Compare, scored, ") for place in places) >= 4
    new = [fault for fault in faults if fault["known"] < 0]
    assert not new, describe(new)
    seen = {fault["known"] for fault in faults}
    gone = [one for i, one in enumerate(KNOWN[theme]) if i not in seen]
    assert not gone, f"Gradio no longer has these; take them off the list: {gone}"
    asked = {urlsplit(address).netloc for address in page.requested if not address.startswith(("data:", "blob:"))}
    assert asked == {urlsplit(url).netloc}


def test_the_chinese_page_says_that_it_is_chinese_and_has_no_fault_either(page_url, new_page):
    page = new_page(page_url(FakeScorer()), locale="zh-CN")
    prepare(page)
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.get_by_role("button", name="橙子").click()
    page.locator("#compare").click()
    expect(page.get_by_role("status", name="结论")).to_contain_text("难分高下")
    faults = check(page, "light", "Compare, scored")
    for tab in tabs(page)[1:4]:
        faults += check(page, "light", open_tab(tab))
    new = [fault for fault in faults if fault["known"] < 0]
    assert not new, describe(new)


def test_the_english_page_says_that_it_is_english(page):
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_fault_would_be_seen(page_url, new_page):
    page = new_page(page_url(FakeScorer()))
    prepare(page)
    page.evaluate("document.querySelector('#title').innerHTML += '<img id=\"bad\" src=\"data:,\">'")
    faults = check(page, "light", "with a picture that has no name")
    assert [(fault["rule"], fault["target"]) for fault in faults if fault["known"] < 0] == [("image-alt", "#bad")]

"""What handler and page add to a comparison, as a visitor's browser sees it.

    python benchmarks/bench_page.py [--runs 30]

The embedded model behind a real server, a real Chromium on the same machine, one visitor. The time from the click to
the verdict in the page, less the time that the scorer itself took for that very comparison, is what everything else
adds: two requests, the queue, rendering, and drawing. Writes a table to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
from datetime import UTC, datetime

from common import RESULTS, command_line, describe_hardware, p90
from playwright.sync_api import Page, sync_playwright

from inform_demo.config import ModelConfig, ServeConfig
from inform_demo.scoring import RewardScorer
from inform_demo.slot import ScorerSlot
from inform_demo.ui.examples import ORANGES
from inform_demo.ui.layout import build_demo, launch
from inform_demo.versions import installed_versions

# How often the answers of the oranges example are repeated to make longer ones.
REPEATS = (1, 4, 16)

# Runs in the page, so that no time of this program is counted.
CLICK_AND_WAIT = """async () => {
    const verdict = document.getElementById("verdict");
    const answered = () => verdict.querySelector(".figures");
    const began = performance.now();
    document.getElementById("compare").click();
    while (answered()) await new Promise(requestAnimationFrame);
    while (!answered()) await new Promise(requestAnimationFrame);
    return [performance.now() - began, 1000 * Number(verdict.querySelector(".verdict").dataset.elapsed)];
}"""


def measure(page: Page, repeat: int, n_runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of the scorer and of everything else, for each run."""
    texts = (ORANGES.prompt, " ".join([ORANGES.response_a] * repeat), " ".join([ORANGES.response_b] * repeat))
    for label, text in zip(("Prompt", "Answer A", "Answer B"), texts, strict=True):
        page.get_by_label(label, exact=True).fill(text)
    button = page.get_by_role("button", name=re.compile("^Compare"))
    scorer, added = [], []
    for i in range(n_runs + 3):
        button.and_(page.locator(":enabled")).wait_for()
        page.wait_for_timeout(1500)  # what the last run still draws below its verdict is not this run's
        total, elapsed = page.evaluate(CLICK_AND_WAIT)
        if i >= 3:
            scorer.append(elapsed)
            added.append(total - elapsed)
    return scorer, added


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("no Chromium found; install one")
    loaded = RewardScorer.load(ModelConfig())
    demo = build_demo(ScorerSlot(lambda: loaded), ServeConfig())
    url = launch(demo, ServeConfig(), prevent_thread_lock=True, quiet=True)
    lines = [
        f"# The page: what handler and page add to the scorer's own time ({datetime.now(UTC):%Y-%m-%d})",
        "",
        f"{describe_hardware()}, server and Chromium on the same machine; {loaded.report.model} in "
        f"{loaded.report.precision}; " + ", ".join(f"{name} {value}" for name, value in installed_versions().items()),
        "",
        f"{command_line()}: milliseconds as median / ninth decile.",
        "",
        "| characters of both answers | scorer, ms | handler and page, ms |",
        "| ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        page.get_by_label("Prompt", exact=True).wait_for()
        for repeat in REPEATS:
            scorer, added = measure(page, repeat, options.runs)
            n_characters = repeat * (len(ORANGES.response_a) + len(ORANGES.response_b))
            cells = (f"{statistics.median(times):.0f} / {p90(times):.0f}" for times in (scorer, added))
            lines.append(f"| {n_characters:,} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
        browser.close()
    demo.close(verbose=False)
    slug = re.sub(r"[^a-z0-9]+", "-", describe_hardware().lower()).strip("-")
    (RESULTS / f"page-{slug}-{datetime.now(UTC):%Y-%m-%d}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

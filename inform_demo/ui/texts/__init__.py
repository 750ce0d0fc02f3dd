"""Every sentence and label of the page, in English and Chinese, a file a tab.

To add a language, give every class of this package an instance in it and name them in `LANGUAGES`; a missing word is a
type error, but for `faults`, whose words a test counts. Knows words only: no gradio and no markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from inform_demo.errors import InformError
from inform_demo.ui.texts import about, batch, compare, faults, page, rank


@dataclass(frozen=True, kw_only=True)
class Texts:
    """One language's words, by tab; `page` holds what all tabs share, `faults` what comes from below the page."""

    page: page.PageTexts
    compare: compare.CompareTexts
    rank: rank.RankTexts
    batch: batch.BatchTexts
    about: about.AboutTexts
    faults: Mapping[str, str]


ENGLISH = Texts(
    page=page.ENGLISH,
    compare=compare.ENGLISH,
    rank=rank.ENGLISH,
    batch=batch.ENGLISH,
    about=about.ENGLISH,
    faults=faults.ENGLISH,
)
CHINESE = Texts(
    page=page.CHINESE,
    compare=compare.CHINESE,
    rank=rank.CHINESE,
    batch=batch.CHINESE,
    about=about.CHINESE,
    faults=faults.CHINESE,
)

LANGUAGES: dict[str, Texts] = {"en": ENGLISH, "zh": CHINESE}


def describe_fault(t: Texts, error: InformError) -> str:
    """An error from below the page, in a visitor's language."""
    return faults.describe(t.faults, error)


def resolve_texts(accept_language: str | None) -> Texts:
    """The words for a browser's `Accept-Language`: its first language, as the page's labels go by it; else English."""
    first = (accept_language or "").split(",")[0].split(";")[0].strip().lower()
    return LANGUAGES.get(first.split("-")[0], ENGLISH)


def numbered(texts: Texts) -> dict[str, str]:
    """The labels that differ by a number only, which a key of `I18N` cannot fill in: one key each."""
    names = ("turn_user", "turn_assistant", "turn_remove")
    return {f"compare_{name}_{i}": getattr(texts.compare, name).format(i=i) for name in names for i in range(1, 7)}


def flatten(texts: Texts) -> dict[str, str]:
    """All words under keys such as "compare_margin", the form that Gradio's `I18n` takes."""
    tabs = {tab: group for tab, group in asdict(texts).items() if tab != "faults"}  # no label is a fault
    words = {f"{tab}_{name}": words for tab, group in tabs.items() for name, words in group.items()}
    return words | numbered(texts)

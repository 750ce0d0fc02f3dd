"""The About tab's HTML: whole, escaped, and with the recorded numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from inform_demo.config import EMBEDDED_MODEL
from inform_demo.errors import LoadError
from inform_demo.recipe.results import SubsetResult, evaluation_from_dict
from inform_demo.ui import about_view
from inform_demo.ui.handlers import ModelStatus
from inform_demo.ui.texts import CHINESE, ENGLISH, LANGUAGES
from tests.doubles import REPORT
from tests.test_view import NASTY, Outline

SCRIPTS = {"img", "script", "iframe", "object", "style"}


def ready(**changes) -> ModelStatus:
    report = replace(REPORT, **changes)
    return ModelStatus("ready", report.model, 1.0, report)


def words(markup: str) -> str:
    return " ".join(Outline(markup).text.split())


@pytest.fixture(scope="module")
def recorded():
    return json.loads((EMBEDDED_MODEL / "results.json").read_text(encoding="utf-8"))


def test_the_embedded_models_card_shows_its_recorded_results(recorded):
    text = words(about_view.render_model(ENGLISH, ready()))
    assert recorded["subsets"]
    for subset in recorded["subsets"]:
        figures = f"{subset['accuracy'] * 100:.1f} % {subset['low'] * 100:.1f} % – {subset['high'] * 100:.1f} %"
        n_pairs = f"{subset['n']:,} ({subset['n_prompts']:,})"
        length = max(subset["longer_wins"], subset["shorter_wins"])
        assert f"{n_pairs} {figures} {length * 100:.1f} % (" in text
        assert subset["source"] in text
    n, n_won = (sum(subset[name] for subset in recorded["subsets"]) for name in ("n", "n_won"))
    assert f"On all {n:,} pairs together it was right in {n_won / n * 100:.1f} %" in text
    assert f"inform-demo evaluate --data {recorded['data']}" in text
    assert "Do not rely on its judgement." in text


def test_every_recorded_set_is_explained(recorded):
    for subset in recorded["subsets"]:
        assert about_view._what(ENGLISH, subset["source"]), subset["source"]


def test_sets_on_which_nothing_was_learnt_are_counted_and_marked(recorded):
    text = words(about_view.render_model(ENGLISH, ready()))
    lengths = [max(s["longer_wins"], s["shorter_wins"]) for s in recorded["subsets"]]
    unlearnt = [
        s["source"] for s, length in zip(recorded["subsets"], lengths, strict=True) if s["low"] <= max(0.5, length)
    ]
    assert f"On {len(unlearnt)} of the {len(lengths)} sets it is not shown" in text
    assert all(f"{name} {about_view._what(ENGLISH, name)} no" in text for name in unlearnt)


@pytest.mark.parametrize(
    ("low", "longer_wins", "learnt"),
    [(0.61, 0.4, True), (0.5, 0.5, False), (0.9, 0.95, False), (0.9, 0.05, False), (0.9, 0.8, True)],
)
def test_learnt_means_above_the_coin_and_above_length(low, longer_wins, learnt):
    assert about_view.is_learnt(SubsetResult("s", 10, 9, 10, 10, low, 1.0, longer_wins, 1 - longer_wins)) == learnt


def test_no_limit_is_claimed_where_everything_was_learnt(recorded):
    subsets = (SubsetResult("gsm8k-x", 1000, 990, 1000, 1000, 0.98, 0.995, 0.5, 0.5),)
    evaluation = replace(evaluation_from_dict(recorded), subsets=subsets)
    text = words(about_view.render_results(ENGLISH, evaluation))
    assert "not shown" not in text
    assert "On all 1,000 pairs together it was right in 99.0 %" in text


def test_without_readable_results_the_card_is_still_there(monkeypatch, tmp_path):
    (tmp_path / "results.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr(about_view, "EMBEDDED_MODEL", tmp_path)
    text = words(about_view.render_model(ENGLISH, ready()))
    assert "fake-reward-model" in text
    assert "measured" not in text


def test_another_models_card_says_what_was_chosen_and_why_and_shows_no_results_of_the_embedded_one():
    text = words(
        about_view.render_model(
            ENGLISH,
            ready(
                model="owner/name",
                revision="abc123",
                is_embedded=False,
                n_parameters=69_570_000_000,
                weight_bytes=139_140_000_000,
                memory_bytes=140_000_000_000,
                versions={"torch": "2.13.0"},
            ),
        )
    )
    for part in (
        "owner/name",
        "abc123",
        "69,570,000,000",
        "139.1 GB for the weights",
        "fp32: It computes nothing.",
        "none: It has no attention.",
        "cpu: It is plain Python.",
        "8,192",
        "torch 2.13.0",
    ):
        assert part in text
    assert "demonstration" not in text
    assert "measured" not in text


def test_a_model_that_loads_or_failed_is_said_to():
    assert "still loading" in about_view.render_model(ENGLISH, ModelStatus("loading", "m", 1.0))
    failed = about_view.render_model(
        ENGLISH, ModelStatus("failed", "m", 1.0, failure=LoadError("The file is cut short."))
    )
    assert "could not be loaded" in failed
    assert "The file is cut short." in failed


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_published_tables_are_the_model_cards(language):
    t = LANGUAGES[language]
    text = words(about_view.render_about(t))
    for row in (
        "INF-ORM-v1 94.3 96.1 88.2 94.6 98.2",
        "INF-ORM-v2 94.4 95.5 90.8 93.0 99.1",
        "INF-ORM-v3 (averaged) 95.1 96.6 91.0 93.6 99.1",
        "infly/INF-ORM-Llama3.1-70B 1 Seq. Classifier 95.1 96.6 91.0 93.6 99.1",
        "LxzGordon/URM-LLaMa-3.1-8B 10 Seq. Classifier 92.9 95.5 88.2 91.1 97.0",
        f"{t.about.magnitude_3} 3 10",
    ):
        assert row in text
    assert text.count("Classifier") + text.count("Generative") == 10
    assert t.about.published_note in text
    assert "log σ(r_chosen − r_rejected)" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_tab_is_shown_somewhere(language, recorded):
    t = LANGUAGES[language]
    one_length = SubsetResult("hep-x", 10, 5, 10, 10, 0.2, 0.8, 0.5, 0.5)
    shown = " ".join(
        words(markup)
        for markup in (
            about_view.render_about(t),
            about_view.render_model(t, ready()),
            about_view.render_model(t, ModelStatus("loading", "m", 1.0)),
            about_view.render_model(t, ModelStatus("failed", "m", 1.0)),
            about_view.render_results(t, replace(evaluation_from_dict(recorded), subsets=(one_length,))),
        )
    )
    for name, sentence in vars(t.about).items():
        fixed = re.split(r"\{[^}]*\}", sentence)
        assert all(" ".join(part.split()) in shown for part in fixed), name


def test_both_languages_differ_in_every_sentence():
    assert not [name for name, word in vars(ENGLISH.about).items() if word == getattr(CHINESE.about, name)]


@pytest.mark.parametrize(
    "markup",
    [
        about_view.render_model(
            ENGLISH, ready(model=NASTY, precision_reason=NASTY, placement=NASTY, versions={NASTY: NASTY})
        ),
        about_view.render_model(ENGLISH, ModelStatus("failed", NASTY, 1.0, failure=LoadError(NASTY))),
        about_view.render_about(ENGLISH),
        about_view.render_about(CHINESE),
    ],
)
def test_foreign_text_is_text_and_the_markup_nests(markup):
    outline = Outline(markup)
    assert not SCRIPTS & set(outline.tags)
    assert not [name for name in outline.attributes if name.startswith("on")]


@pytest.mark.parametrize(("n", "expected"), [(60_000_000, "60 MB"), (999, "0 MB"), (139_140_000_000, "139.1 GB")])
def test_bytes_are_said_in_round_units(n, expected):
    assert about_view.format_bytes(n) == expected

"""The state of the model: what the badge says, and what is read out."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from inform_demo.progress import LoadProgress, Phase
from inform_demo.types import Verification
from inform_demo.ui import status_view
from inform_demo.ui.handlers import ModelStatus
from inform_demo.ui.texts import CHINESE, ENGLISH, LANGUAGES
from tests.doubles import REPORT
from tests.test_view import Outline


def test_the_state_of_the_model_says_whether_its_rewards_are_the_known_ones():
    def told(a: float) -> str:
        checked = Verification((4.96875, 2.890625), 0.1, (a, 2.9), "the model card")
        return Outline(
            status_view.render_status(ENGLISH, ModelStatus("ready", "m", 1.0, replace(REPORT, verification=checked)))
        ).text

    assert "✓ Self-test passed: it gives its recorded rewards" in told(4.97)
    assert "Do not trust these scores: on a known example this model gives 4.77 / 2.90 instead of 4.97 / 2.89" in told(
        4.77
    )
    assert "Self-test" not in status_view.render_status(ENGLISH, ModelStatus("ready", "m", 1.0, REPORT))


@pytest.mark.parametrize(
    ("texts", "name"), [(ENGLISH, "Ready · demonstration model m ·"), (CHINESE, "就绪 · 演示模型 m ·")]
)
def test_the_state_says_where_the_model_is_a_demonstration(texts, name):
    for render in (status_view.render_status, status_view.render_announcement):
        status = ModelStatus("ready", "m", 1.0, replace(REPORT, model="m"))
        assert name in render(texts, status)
        real = replace(status, report=replace(status.report, is_embedded=False))
        assert name.split(" · ")[1].split(" m")[0] not in render(texts, real)


def test_what_is_announced_changes_with_the_state_only():
    first, later = (status_view.render_announcement(ENGLISH, ModelStatus("loading", "m", s)) for s in (1.0, 2.0))
    assert first == later
    assert status_view.render_status(ENGLISH, ModelStatus("loading", "m", 1.0)) != status_view.render_status(
        ENGLISH, ModelStatus("loading", "m", 2.0)
    )
    assert status_view.render_announcement(ENGLISH, ModelStatus("ready", "m", 3.0, REPORT)) != first


GB = 10**9


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (LoadProgress("checking"), "Checking · m · 7 s"),
        (LoadProgress("downloading", 12 * GB, 139 * GB, 605.0), "12.0 of 139.0 GB · about 10 min left."),
        (LoadProgress("downloading", 12 * GB, 139 * GB), "12.0 of 139.0 GB You can write"),
        (LoadProgress("loading", 3_000_000, 58_900_000, 4.4), "3.0 of 58.9 MB · about 4 s left."),
        (LoadProgress("warming_up"), "Warming up · m · 7 s"),
    ],
)
def test_loading_says_what_how_much_and_how_long(progress, told):
    text = Outline(status_view.render_status(ENGLISH, ModelStatus("loading", "m", 7.0, progress=progress))).text
    assert told in " ".join(text.split())
    assert ("of" in text) == bool(progress.bytes_total)


@pytest.mark.parametrize("texts", LANGUAGES.values())
def test_every_phase_has_its_word_in_every_language(texts):
    words = {
        status_view.render_announcement(texts, ModelStatus("loading", "m", 1.0, progress=LoadProgress(phase)))
        for phase in get_args(Phase)
    }
    assert len(words) == len(get_args(Phase))


def test_bytes_are_not_read_out_every_second():
    first, later = (
        status_view.render_announcement(
            ENGLISH, ModelStatus("loading", "m", 1.0, progress=LoadProgress("downloading", n, 9))
        )
        for n in (1, 2)
    )
    assert first == later

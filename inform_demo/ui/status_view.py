"""The state of the model as HTML: ready, loading and how far, or failed. Knows words and a status; no gradio."""

from __future__ import annotations

from html import escape

from inform_demo.progress import LoadProgress
from inform_demo.types import Verification
from inform_demo.ui.handlers import ModelStatus
from inform_demo.ui.texts import Texts, describe_fault
from inform_demo.ui.view import format_reward, paragraph


def _status_words(t: Texts, status: ModelStatus) -> str:
    if status.report is not None:
        report = status.report
        model = f"{t.page.embedded_name} {report.model}" if report.is_embedded else report.model
        return f"{t.page.ready} · {model} · {report.precision} · {report.placement}"
    if status.state == "failed":
        return f"{t.page.failed} · {status.model}"
    phase = status.progress.phase if status.progress else "loading"
    words = {
        "checking": t.page.checking,
        "downloading": t.page.downloading,
        "loading": t.page.loading,
        "warming_up": t.page.warming_up,
    }
    return f"{words[phase]} · {status.model}"


def describe_bytes(t: Texts, progress: LoadProgress | None) -> str:
    """How much of a phase is done and how long the rest will take; nothing where nothing is counted."""
    if progress is None or not progress.bytes_total:
        return ""
    # In one unit, so that the two can be compared at a glance; the hub counts in powers of ten, too.
    unit, size = ("GB", 1e9) if progress.bytes_total >= 1e9 else ("MB", 1e6)
    done, total = (f"{n / size:,.1f}" for n in (progress.bytes_done, progress.bytes_total))
    words = t.page.bytes_done.format(done=done, total=total, unit=unit)
    if progress.eta_s is None:
        return words
    minutes = progress.eta_s / 60
    left = t.page.minutes_left if minutes >= 1 else t.page.seconds_left
    return f"{words} · {left.format(minutes=minutes, seconds=progress.eta_s)}"


def describe_verification(t: Texts, checked: Verification) -> str:
    """Whether the model gives the rewards that are known for it, in a sentence."""
    if checked.passed:
        return t.page.verified
    got, due = (" / ".join(map(format_reward, pair)) for pair in (checked.rewards, checked.expected))
    return t.page.not_verified.format(got=got, expected=due, tolerance=checked.tolerance)


def render_status(t: Texts, status: ModelStatus) -> str:
    """The badge with the state of the model; loading says what, how much and how long, failed says why."""
    icon = {"loading": "◌", "ready": "●", "failed": "✕"}[status.state]
    elapsed = f" · {t.page.elapsed.format(seconds=status.elapsed_s)}" if status.state == "loading" else ""
    waiting = " ".join(filter(None, (describe_bytes(t, status.progress), t.page.loading_hint)))
    checked = status.report.verification if status.report else None
    ready = describe_verification(t, checked) if checked else ""
    why = describe_fault(t, status.failure) if status.failure else ""
    notes = {"loading": waiting, "ready": ready, "failed": f"{t.page.failed_to_load} {why}"}
    note = paragraph(notes[status.state].strip(), "badge-note") if notes[status.state] else ""
    return (
        f'<div class="badge badge-{status.state}"><span aria-hidden="true">{icon}</span>'
        f"<span>{escape(_status_words(t, status) + elapsed)}</span></div>{note}"
    )


def render_announcement(t: Texts, status: ModelStatus) -> str:
    """The same for a screen reader: changes only when state or phase do, so that it is not read out every second."""
    why = f" {describe_fault(t, status.failure)}" if status.failure else ""
    return f"<p>{escape(_status_words(t, status) + why)}</p>"

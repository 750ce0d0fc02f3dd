"""What a click or an API call does: values in, a comparison or the state of the model out.

Knows the slot that holds the scorer, and the faults to name by the field they are in. Knows no layout, no gradio and no
torch; it raises `InformError`, and whoever shows it turns it into text.
"""

from __future__ import annotations

from dataclasses import dataclass

from inform_demo.errors import EmptyTextError, InputError, InvalidTextError
from inform_demo.slot import ScorerSlot, SlotState
from inform_demo.types import Comparison, LoadReport, Message
from inform_demo.ui import text
from inform_demo.ui.examples import published_rewards

# Far above what any limit of tokens lets through; it keeps a pasted library from being tokenised only to be refused.
MAX_CHARACTERS = 1_000_000

# How long a comparison waits for a model that is still loading: 70B from a warm disk takes a few minutes.
LOAD_WAIT_S = 600.0


@dataclass(frozen=True)
class Outcome:
    """A comparison and what the page says beside it.

    Attributes:
        report: of the model that computed it.
        published: the authors' rewards for these very texts, where there are any.
    """

    comparison: Comparison
    report: LoadReport
    published: tuple[float, float] | None


@dataclass(frozen=True)
class ModelStatus:
    """What the page says about its model.

    Attributes:
        model: the name to show, known before the model is loaded.
        report: None until the model is ready.
        detail: why loading failed.
    """

    state: SlotState
    model: str
    elapsed_s: float
    report: LoadReport | None = None
    detail: str = ""


def _checked(field: str, value: str | None) -> str:
    """The text of a required field, or the error that names the field as the page labels it."""
    value = "" if value is None else value
    if not isinstance(value, str):
        raise InvalidTextError(text.NOT_TEXT.format(field=field, kind=type(value).__name__))
    if not value.strip():
        raise EmptyTextError(text.EMPTY_FIELD.format(field=field))
    if len(value) > MAX_CHARACTERS:
        raise InputError(text.TOO_MANY_CHARACTERS.format(field=field, count=len(value), limit=MAX_CHARACTERS))
    try:
        Message("user", value)
    except InvalidTextError as error:
        raise InvalidTextError(text.IN_FIELD.format(field=field, message=error)) from None
    return value


def compare(
    slot: ScorerSlot,
    prompt: str | None,
    response_a: str | None,
    response_b: str | None,
    system: str | None = None,
) -> Outcome:
    """Score two answers to one prompt, waiting for the model while it loads.

    Args:
        slot: where the scorer is or will be.
        prompt: what was asked.
        response_a: one answer.
        response_b: the other answer.
        system: an optional system prompt; blank counts as none.

    Raises:
        InputError: a text is missing, is no text, or is too long; the message names the field and the numbers.
        ScoringError: the model is not there or failed.
    """
    prompt = _checked(text.PROMPT, prompt)
    response_a = _checked(text.ANSWER_A, response_a)
    response_b = _checked(text.ANSWER_B, response_b)
    has_system = system is not None and not (isinstance(system, str) and not system.strip())
    system = _checked(text.SYSTEM, system) if has_system else None
    scorer = slot.get(LOAD_WAIT_S)
    comparison = scorer.compare(prompt, response_a, response_b, system)
    return Outcome(comparison, scorer.report, published_rewards(prompt, response_a, response_b, system or ""))


def model_status(slot: ScorerSlot, model: str) -> ModelStatus:
    """The state of the model now; never blocks.

    Args:
        slot: where the scorer is or will be.
        model: its name, shown while there is no report.
    """
    status = slot.status()
    if status.state == "ready":
        report = slot.get(0).report
        return ModelStatus("ready", report.model, status.elapsed_s, report)
    return ModelStatus(status.state, model, status.elapsed_s, detail=status.detail)

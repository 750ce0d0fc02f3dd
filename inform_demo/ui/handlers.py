"""What a click or an API call does: values in, a comparison or the state of the model out.

Knows the slot that holds the scorer, and the faults to name by the field they are in. Knows no layout, no gradio and no
torch; it raises `InformError`, and whoever shows it turns it into text.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from inform_demo.errors import EmptyTextError, InputError, InvalidTextError
from inform_demo.slot import ScorerSlot, SlotState
from inform_demo.types import Comparison, LoadReport, Message, RewardTrace, build_conversations
from inform_demo.ui.examples import published_rewards
from inform_demo.ui.texts import ENGLISH, Texts

# Far above what any limit of tokens lets through; it keeps a pasted library from being tokenised only to be refused.
MAX_CHARACTERS = 1_000_000

# How long a comparison waits for a model that is still loading: 70B from a warm disk takes a few minutes.
LOAD_WAIT_S = 600.0


@dataclass(frozen=True)
class Inputs:
    """What a visitor or a program gives to be compared.

    Attributes:
        earlier_turns: user and assistant in alternation, before the prompt.
    """

    prompt: str
    response_a: str
    response_b: str
    system: str = ""
    earlier_turns: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A comparison and what the page says beside it.

    Attributes:
        report: of the model that computed it.
        published: the authors' rewards for these very texts, where there are any.
        finished_at: seconds since the epoch.
    """

    inputs: Inputs
    comparison: Comparison
    trace_a: RewardTrace
    trace_b: RewardTrace
    report: LoadReport
    published: tuple[float, float] | None
    finished_at: float


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


def checked(field: str, value: object, t: Texts) -> str:
    """The text of a required field, or the error that names the field as the page labels it.

    Raises:
        EmptyTextError, InvalidTextError, InputError: there is no text, it is none, or it is far too long.
    """
    value = "" if value is None else value
    if not isinstance(value, str):
        raise InvalidTextError(t.page.not_text.format(field=field, kind=type(value).__name__))
    if not value.strip():
        raise EmptyTextError(t.page.empty_field.format(field=field))
    if len(value) > MAX_CHARACTERS:
        raise InputError(t.page.too_many_characters.format(field=field, count=len(value), limit=MAX_CHARACTERS))
    try:
        Message("user", value)
    except InvalidTextError as error:
        raise InvalidTextError(t.page.in_field.format(field=field, message=error)) from None
    return value


def checked_optional(field: str, value: object, t: Texts) -> str:
    """The text of a field that may stay blank; "" if it is."""
    is_blank = value is None or (isinstance(value, str) and not value.strip())
    return "" if is_blank else checked(field, value, t)


def compare(slot: ScorerSlot, inputs: Inputs, t: Texts = ENGLISH) -> Outcome:
    """Score two answers to one prompt, waiting for the model while it loads.

    Args:
        slot: where the scorer is or will be.
        inputs: any values; they are checked here.
        t: the words for faults.

    Raises:
        InputError: a text is missing, is no text, or is too long; the message names the field and the numbers.
        ScoringError: the model is not there or failed.
    """
    inputs = Inputs(
        checked(t.page.prompt, inputs.prompt, t),
        checked(t.page.answer_a, inputs.response_a, t),
        checked(t.page.answer_b, inputs.response_b, t),
        checked_optional(t.page.system, inputs.system, t),
        inputs.earlier_turns,
    )
    a, b = build_conversations(
        inputs.prompt, (inputs.response_a, inputs.response_b), inputs.system, inputs.earlier_turns
    )
    scorer = slot.get(LOAD_WAIT_S)
    comparison, trace_a, trace_b = scorer.trace_conversations(a, b)
    published = None
    if not inputs.system and not inputs.earlier_turns:
        published = published_rewards(inputs.prompt, inputs.response_a, inputs.response_b)
    return Outcome(inputs, comparison, trace_a, trace_b, scorer.report, published, time.time())


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

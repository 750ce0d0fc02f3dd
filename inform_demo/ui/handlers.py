"""What a click or an API call does: values in, a comparison or the state of the model out.

Knows the slot that holds the scorer, and the faults to name by the field they are in. Knows no layout, no gradio and no
torch; it raises `InformError`, and whoever shows it turns it into text.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from inform_demo.errors import (
    ConversationTooLongError,
    EmptyTextError,
    InformError,
    InputError,
    InvalidTextError,
)
from inform_demo.progress import LoadProgress
from inform_demo.slot import ScorerSlot, SlotState
from inform_demo.types import (
    ROLES,
    Comparison,
    Conversation,
    LoadReport,
    Message,
    RewardTrace,
    build_conversations,
    parse_messages,
)
from inform_demo.ui.examples import published_rewards
from inform_demo.ui.texts import ENGLISH, Texts, describe_fault

# Far above what any limit of tokens lets through; it keeps a pasted library from being tokenised only to be refused.
MAX_CHARACTERS = 1_000_000

# A token that is counted while a visitor writes stands for at most this many characters; the longest texts that fit
# come nowhere near it, but for white space.
_MOST_TOKEN_CHARACTERS = 16

# Earlier exchanges the page has fields for; programs may send more.
MAX_EXCHANGES = 6

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
        failure: why loading failed, where it did.
        progress: how far loading is, where somebody counts.
    """

    state: SlotState
    model: str
    elapsed_s: float
    report: LoadReport | None = None
    failure: InformError | None = None
    progress: LoadProgress | None = None


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
        raise InvalidTextError(t.page.in_field.format(field=field, message=describe_fault(t, error))) from None
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
    inputs = _check(inputs, t)
    a, b = build_conversations(
        inputs.prompt, (inputs.response_a, inputs.response_b), inputs.system, inputs.earlier_turns
    )
    scorer = slot.get(LOAD_WAIT_S)
    try:
        comparison, trace_a, trace_b = scorer.trace_conversations(a, b)
    except ConversationTooLongError as error:
        field = t.page.answer_b if error.place == 1 else t.page.answer_a
        excess = error.n_tokens - error.max_tokens
        raise InputError(
            t.page.too_long.format(field=field, n_tokens=error.n_tokens, max_tokens=error.max_tokens, excess=excess)
        ) from None
    published = None
    if not inputs.system and not inputs.earlier_turns:
        published = published_rewards(inputs.prompt, inputs.response_a, inputs.response_b)
    return Outcome(inputs, comparison, trace_a, trace_b, scorer.report, published, time.time())


def check_order(slot: ScorerSlot, outcome: Outcome) -> tuple[float, float]:
    """Score a compared pair with A and B exchanged; how much the reward of each answer differs.

    Raises:
        ScoringError: the model is not there or failed.
    """
    given = outcome.inputs
    b, a = build_conversations(given.prompt, (given.response_b, given.response_a), given.system, given.earlier_turns)
    swapped = slot.get(LOAD_WAIT_S).compare_conversations(b, a)
    return swapped.reward_b - outcome.comparison.reward_a, swapped.reward_a - outcome.comparison.reward_b


def count_tokens(slot: ScorerSlot, inputs: Inputs) -> tuple[int | None, int | None, int]:
    """Tokens of both conversations while they are being written, and the limit.

    A count is None where there is nothing to count yet, no model to count with, or a text that is many times too long:
    counting is work outside the queue, which whoever asks for it must not be able to make long. Never blocks and never
    raises for what a visitor typed: that is said when they compare.
    """
    if slot.status().state != "ready":
        return None, None, 0
    scorer = slot.get(0)

    def count(response: str) -> int | None:
        try:
            (one,) = build_conversations(inputs.prompt, [response], inputs.system.strip(), inputs.earlier_turns)
            n_characters = sum(len(message.content) for message in one.messages)
            most = _MOST_TOKEN_CHARACTERS * scorer.report.max_tokens
            return None if n_characters > most else scorer.count_tokens(one)
        except InputError:
            return None

    return count(inputs.response_a), count(inputs.response_b), scorer.report.max_tokens


def _check(inputs: Inputs, t: Texts) -> Inputs:
    n_earlier = sum(len(message.content) for message in inputs.earlier_turns)
    if n_earlier > MAX_CHARACTERS:  # programs may send any number of turns
        field = t.compare.earlier_turns
        raise InputError(t.page.too_many_characters.format(field=field, count=n_earlier, limit=MAX_CHARACTERS))
    return Inputs(
        checked(t.page.prompt, inputs.prompt, t),
        checked(t.page.answer_a, inputs.response_a, t),
        checked(t.page.answer_b, inputs.response_b, t),
        checked_optional(t.page.system, inputs.system, t),
        inputs.earlier_turns,
    )


def read_turns(texts: Sequence[object], t: Texts) -> tuple[Message, ...]:
    """Earlier turns from the page's fields: question, answer, question, answer, ...; exchanges left blank are none.

    Raises:
        InputError: an exchange has only one side, or a text that cannot be used; the message names the field.
    """
    turns: list[Message] = []
    for i in range(len(texts) // 2):
        pair = texts[2 * i : 2 * i + 2]
        if not any(checked_optional("", text, t) for text in pair):
            continue
        for role, name, text in zip(ROLES[1:], (t.compare.turn_user, t.compare.turn_assistant), pair, strict=True):
            field = name.format(i=i + 1)
            if not checked_optional(field, text, t):
                raise EmptyTextError(t.compare.turn_incomplete.format(field=field))
            turns.append(Message(role, checked(field, text, t)))
    return tuple(turns)


def parse_conversation(pasted: object, t: Texts) -> tuple[str, str, str, list[str]]:
    """Prompt, answer A, system prompt and earlier turns from a pasted conversation in JSON.

    Returns:
        Answer A is "" where the user speaks last; the turns are `2 * MAX_EXCHANGES` texts, blank ones last.

    Raises:
        InputError: it is no JSON, no conversation, or longer than the page has fields for.
    """
    source = checked(t.compare.paste_label, pasted, t)
    try:
        value = json.loads(source, parse_int=float)  # an int of thousands of digits is an error without a line
    except json.JSONDecodeError as error:
        raise InputError(
            t.compare.paste_bad_json.format(line=error.lineno, column=error.colno, reason=error.msg)
        ) from None
    except RecursionError:
        raise InputError(t.compare.paste_bad_json.format(line=1, column=1, reason="nested too deep")) from None
    try:
        messages = list(parse_messages(value))
    except InputError as error:
        raise InputError(describe_fault(t, error)) from None
    system = messages.pop(0).content if messages and messages[0].role == "system" else ""
    response_a = messages.pop().content if messages and messages[-1].role == "assistant" else ""
    if not messages:
        raise InputError(t.compare.paste_no_prompt)
    Conversation((*messages, Message("assistant", "?")))  # raises where the turns do not alternate
    *earlier, prompt = messages
    n_exchanges = len(earlier) // 2
    if n_exchanges > MAX_EXCHANGES:
        raise InputError(t.compare.paste_too_many.format(limit=MAX_EXCHANGES, count=n_exchanges))
    turns = [message.content for message in earlier]
    return prompt.content, response_a, system, turns + [""] * (2 * MAX_EXCHANGES - len(turns))


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
    return ModelStatus(status.state, model, status.elapsed_s, failure=status.failure, progress=status.progress)

"""What the Rank tab is given: answers from fields, a pasted text, a file or a program, checked; and ranked.

Knows the slot that holds the scorer, and the faults to name by the answer they are in. Knows no markup, no gradio and
no torch; it raises `InformError`, and whoever shows it turns it into text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from inform_demo.errors import ConversationTooLongError, EmptyTextError, InputError, InvalidTextError
from inform_demo.ranking import FEWEST_ANSWERS, MOST_ANSWERS, rank_conversations
from inform_demo.slot import ScorerSlot
from inform_demo.types import Conversation, LoadReport, Ranking, Scorer, build_conversations
from inform_demo.ui.handlers import LOAD_WAIT_S, checked, checked_optional
from inform_demo.ui.texts import ENGLISH, Texts

# Sixteen answers of thousands of tokens each; the page says it beside the field.
MAX_FILE_BYTES = 2**20

# A list in an object is 2 deep. Python's parser would go on to its own recursion limit.
MAX_DEPTH = 8

MOST_NAME_CHARACTERS = 80

_SEPARATOR = re.compile(r"^[ \t]*---[ \t]*$", re.MULTILINE)
# Possessive, and content with a string that never ends: no file makes it slow.
_JSON_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_KEYS = ("prompt", "responses", "system")
_JSON_KINDS = {
    dict: "object",
    list: "list",
    str: "text",
    bool: "true/false",
    int: "number",
    float: "number",
    type(None): "null",
}


@dataclass(frozen=True)
class GivenAnswers:
    """What a pasted text or a file gives; None leaves the field as it is."""

    responses: tuple[str, ...]
    prompt: str | None = None
    system: str | None = None


@dataclass(frozen=True)
class RankOutcome:
    """A ranking and what the page says beside it.

    Attributes:
        responses: the texts in the order given.
        report: of the model that computed it.
    """

    responses: tuple[str, ...]
    ranking: Ranking
    report: LoadReport


@dataclass(frozen=True)
class RankExample:
    """A prompt with answers of different worth, to try the tab with."""

    prompt: str
    responses: tuple[str, ...]


EXAMPLE = RankExample(
    prompt="How do I keep bread fresh for longer?",
    responses=(
        "Keep it at room temperature in a bread box or a paper bag, away from the sun. What you will not eat within "
        "two or three days, slice and freeze; a frozen slice goes straight into the toaster. Avoid the fridge: there "
        "bread goes stale faster.",
        "Just put it in the fridge.",
        "Bread bread bread bread bread bread bread bread.",
        "Bread has been baked for thousands of years, and every country has its own kinds. The Egyptians knew "
        "sourdough. In France people buy a baguette every day.",
    ),
)


def _field(i: int, t: Texts) -> str:
    return t.rank.answer.format(i=i)


def _check_count(count: int, t: Texts, hint: str = "") -> None:
    if not FEWEST_ANSWERS <= count <= MOST_ANSWERS:
        words = t.rank.count_wrong.format(fewest=FEWEST_ANSWERS, most=MOST_ANSWERS, count=count)
        raise InputError(f"{words} {hint}".strip())


def _check_answers(values: Sequence[object], t: Texts, empty: str) -> tuple[str, ...]:
    """The texts, or the error that names the first answer that is none.

    Args:
        empty: what to say of an empty one.
    """
    texts = []
    for i, value in enumerate(values, 1):
        field = _field(i, t)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise EmptyTextError(empty.format(field=field, count=len(values)))
        if not isinstance(value, str):
            raise InvalidTextError(t.page.not_text.format(field=field, kind=_kind(value)))
        texts.append(checked(field, value, t))
    return tuple(texts)


def rank(slot: ScorerSlot, prompt: object, responses: object, system: object = "", t: Texts = ENGLISH) -> RankOutcome:
    """Rank answers to one prompt, waiting for the model while it loads.

    Args:
        slot: where the scorer is or will be.
        prompt, responses, system: any values; they are checked here.
        t: the words for faults.

    Raises:
        InputError: fewer than 2 or more than 16 answers, or a text that is missing, no text, or too long.
        ScoringError: the model is not there or failed.
    """
    if not isinstance(responses, list | tuple):
        raise InputError(t.rank.json_responses.format(got=_kind(responses)))
    _check_count(len(responses), t)
    prompt = checked(t.page.prompt, prompt, t)
    answers = _check_answers(responses, t, t.rank.empty_answer)
    conversations = build_conversations(prompt, answers, checked_optional(t.page.system, system, t))
    scorer = slot.get(LOAD_WAIT_S)
    try:
        ranking = rank_conversations(scorer, conversations)
    except ConversationTooLongError as error:
        raise InputError(_too_long(scorer, conversations, error, t)) from None
    return RankOutcome(answers, ranking, scorer.report)


def _too_long(scorer: Scorer, conversations: Sequence[Conversation], error: ConversationTooLongError, t: Texts) -> str:
    for i, conversation in enumerate(conversations, 1):
        n_tokens, limit = scorer.count_tokens(conversation), error.max_tokens
        if n_tokens > limit:
            return t.page.too_long.format(
                field=_field(i, t), n_tokens=n_tokens, max_tokens=limit, excess=n_tokens - limit
            )
    return str(error)


def parse_pasted(pasted: object, t: Texts = ENGLISH) -> GivenAnswers:
    """Answers from a text in which a line of `---` stands between two of them.

    Blank lines before an answer and white space after it are not part of it.

    Raises:
        InputError: fewer than 2 or more than 16 answers, or an empty one; the message says which.
    """
    text = checked(t.rank.paste_label, pasted, t).replace("\r\n", "\n")
    pieces = [re.sub(r"\A(?:[ \t]*\n)+", "", piece).rstrip() for piece in _SEPARATOR.split(text)]
    _check_count(len(pieces), t, t.rank.paste_one if len(pieces) < FEWEST_ANSWERS else "")
    return GivenAnswers(_check_answers(pieces, t, t.rank.empty_in_list))


def parse_file(name: object, n_bytes: object, text: object, t: Texts = ENGLISH) -> GivenAnswers:
    """Answers from a file that the visitor's browser has read.

    Args:
        name: the file's name, for messages.
        n_bytes: its size.
        text: what it holds; None where that is no UTF-8, and where the file is too large to be sent.

    Raises:
        InputError: it is too large, no text, no JSON, or of another shape; the message says what and where.
    """
    name = clean(str(name))[:MOST_NAME_CHARACTERS]
    sent = len(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else 0
    size = max(sent, int(n_bytes) if isinstance(n_bytes, int | float) else 0)
    if size > MAX_FILE_BYTES:
        raise InputError(t.rank.file_too_large.format(name=name, size=size, limit=MAX_FILE_BYTES))
    if not isinstance(text, str):
        raise InputError(t.rank.file_not_text.format(name=name))
    value = _load_json(name, text, t)
    if isinstance(value, list):
        return GivenAnswers(_read_responses(value, t))
    if isinstance(value, dict):
        return _read_object(name, value, t)
    raise InputError(t.rank.json_shape.format(name=name, got=_kind(value)))


def _read_object(name: str, value: dict[str, object], t: Texts) -> GivenAnswers:
    for key in _KEYS[:2]:
        if key not in value:
            raise InputError(t.rank.json_missing.format(name=name, key=key))
    unknown = [f'"{clean(key)[:MOST_NAME_CHARACTERS]}"' for key in value if key not in _KEYS]
    if unknown:
        raise InputError(t.rank.json_unknown.format(name=name, keys=t.rank.comma.join(unknown[:3])))
    responses = value["responses"]
    if not isinstance(responses, list):
        raise InputError(t.rank.json_responses.format(got=_kind(responses)))
    return GivenAnswers(
        _read_responses(responses, t),
        checked(t.page.prompt, value["prompt"], t),
        # A file that names no system prompt means none: the one in the field belongs to another prompt.
        checked_optional(t.page.system, value.get("system"), t),
    )


def _read_responses(values: list[object], t: Texts) -> tuple[str, ...]:
    _check_count(len(values), t)
    return _check_answers(values, t, t.rank.empty_in_list)


def _load_json(name: str, text: str, t: Texts) -> object:
    depth = _depth_of(text)
    if depth > MAX_DEPTH:
        raise InputError(t.rank.json_too_deep.format(name=name, depth=depth, limit=MAX_DEPTH))
    try:
        # Numbers are refused later, by their place; Python's own integers would refuse long ones with other words.
        return json.loads(text.removeprefix("\ufeff"), parse_int=float)
    except json.JSONDecodeError as error:
        raise InputError(
            t.rank.json_broken.format(name=name, line=error.lineno, column=error.colno, reason=error.msg)
        ) from None


def _depth_of(text: str) -> int:
    """Most lists and objects that are open at once; brackets within strings do not count."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", _JSON_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _kind(value: object) -> str:
    return _JSON_KINDS.get(type(value), type(value).__name__)


def clean(text: str) -> str:
    """The text with what is no valid Unicode replaced, so that a message can carry it."""
    return text.encode("utf-8", "replace").decode("utf-8")

"""The values that travel through the project: conversations in, rewards and comparisons out.

Knows what a well-formed conversation is (roles, order, text), and nothing of tokens, tensors or models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from inform_demo.config import Precision
from inform_demo.errors import EmptyTextError, InvalidTextError, RoleOrderError

Role = Literal["system", "user", "assistant"]
Preferred = Literal["a", "b", "tie"]

ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Raises:
        RoleOrderError: the role is not system, user or assistant.
        EmptyTextError: the content is empty or only white space.
        InvalidTextError: the content is not valid Unicode.
    """

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise RoleOrderError(f"A turn's role must be one of {', '.join(ROLES)}; got {self.role!r}.")
        if not isinstance(self.content, str):
            raise InvalidTextError(f"The {self.role} turn must hold text; got {type(self.content).__name__}.")
        if not self.content.strip():
            raise EmptyTextError(f"The {self.role} turn is empty; expected some text.")
        try:
            self.content.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidTextError(
                f"The {self.role} turn is not valid Unicode: an unpaired surrogate "
                f"(U+{ord(self.content[error.start]):04X}) stands at character {error.start}. Remove that character."
            ) from None


@dataclass(frozen=True)
class Conversation:
    """Turns in order: at most one system turn first, then user and assistant alternating, the assistant last.

    Raises:
        RoleOrderError: the turns come in any other order.
    """

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        roles = [message.role for message in self.messages]
        turns = roles[1:] if roles[:1] == ["system"] else roles
        expected = ["user", "assistant"] * (len(turns) // 2)
        if not turns or turns != expected:
            raise RoleOrderError(
                "Expected an optional system turn, then user and assistant in alternation, ending with the assistant; "
                f"got: {', '.join(roles) or 'no turns'}."
            )

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Everything before the last assistant turn."""
        return self.messages[:-1]

    @property
    def response(self) -> str:
        """The text of the last assistant turn: what is being scored."""
        return self.messages[-1].content


def parse_messages(value: object) -> tuple[Message, ...]:
    """Turns from decoded JSON: a list of `{"role": ..., "content": ...}`, or an object with such a list as "messages".

    Raises:
        RoleOrderError: the value is not such a list.
        EmptyTextError, InvalidTextError: a turn's content cannot be used.
    """
    if isinstance(value, Mapping):
        value = value.get("messages")
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise RoleOrderError(f'Expected a list of {{"role", "content"}} turns; got {type(value).__name__}.')
    messages = []
    for i, item in enumerate(value, 1):
        if not isinstance(item, Mapping) or not {"role", "content"} <= item.keys():
            raise RoleOrderError(f'Turn {i} must be an object with "role" and "content"; got {str(item)[:60]!r}.')
        messages.append(Message(role=item["role"], content=item["content"]))
    return tuple(messages)


def build_conversations(
    prompt: str,
    responses: Iterable[str],
    system: str | None = None,
    earlier_turns: Sequence[Message] = (),
) -> list[Conversation]:
    """The conversations that differ only in their last answer: [system] + earlier turns + prompt + each response."""
    opening = (*((Message("system", system),) if system else ()), *earlier_turns, Message("user", prompt))
    return [Conversation((*opening, Message("assistant", response))) for response in responses]


@dataclass(frozen=True)
class PreferencePair:
    """Two conversations with one prompt, one of them labelled better; the unit of training and evaluation."""

    chosen: Conversation
    rejected: Conversation
    magnitude: int
    source: str


@dataclass(frozen=True)
class Reward:
    """The score head's output for one conversation.

    Attributes:
        value: unbounded, unitless; comparable for one prompt and one model only.
        n_tokens: length of the rendered conversation in tokens.
        n_tokens_shared: leading tokens that were computed once for all conversations of the same call and prompt.
    """

    value: float
    n_tokens: int
    n_tokens_shared: int


@dataclass(frozen=True)
class RewardTrace:
    """The score head read at every token of an answer. Exploratory: it was trained on the last one only.

    Attributes:
        pieces: the answer's text by token, and last "" for the end of the turn, where the reward is read.
        values: the head's output after each piece; the last one is the reward.
    """

    pieces: tuple[str, ...]
    values: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Two answers to one prompt, scored. The fields are those of `inform-demo compare --json` and of the page's API.

    Attributes:
        margin: reward_a - reward_b.
        preference_probability: sigmoid(margin), the model's belief that A is better; no measured accuracy.
        preferred: "tie" where the probability lies within the tie band around one half.
        n_tokens_shared: leading tokens computed once for both.
        elapsed_s: wall-clock seconds of the scoring, without loading or waiting.
    """

    reward_a: float
    reward_b: float
    margin: float
    preference_probability: float
    preferred: Preferred
    n_tokens_a: int
    n_tokens_b: int
    n_tokens_shared: int
    elapsed_s: float
    model: str
    precision: str

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True)
class RankedAnswer:
    """One of several answers to a prompt, with its place among them.

    Attributes:
        index: its number in the order given, from 0.
        rank: 1 is best; equal rewards share a rank and leave the next one free.
        win_probability: mean of sigmoid(margin) over the other answers, the model's belief that it beats one of them.
    """

    index: int
    rank: int
    reward: float
    win_probability: float
    n_tokens: int


@dataclass(frozen=True)
class Ranking:
    """Several answers to one prompt, best first. The fields are those of the page's `/rank` API.

    Attributes:
        answers: best first; equal rewards in the order given.
        preference_matrix: entry [i][j] is the model's belief that answer i beats answer j, in the order given; 0.5 on
            the diagonal.
        n_tokens_shared: leading tokens computed once for all.
    """

    answers: tuple[RankedAnswer, ...]
    preference_matrix: tuple[tuple[float, ...], ...]
    n_tokens_shared: int
    elapsed_s: float
    model: str
    precision: str

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True)
class Verification:
    """The golden example scored by a loaded model, beside the rewards that it has to give.

    Attributes:
        expected: rewards of both answers, from `reference`.
        tolerance: how far each may be off; it depends on the precision.
        rewards: what the model gave.
        reference: where the expected rewards come from.
    """

    expected: tuple[float, float]
    tolerance: float
    rewards: tuple[float, float]
    reference: str

    @property
    def passed(self) -> bool:
        """Whether each reward is within the tolerance; no number that is not finite is."""
        return all(abs(got - due) <= self.tolerance for got, due in zip(self.rewards, self.expected, strict=True))


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What was loaded, what was chosen for it, and why; shown in the log, by the command line and on the page.

    Attributes:
        model: the hub id or folder name that results carry.
        revision: commit of a hub id; None for a folder.
        is_embedded: whether this is the demonstration model that ships with the package.
        *_reason: one sentence that says why the value beside it was chosen.
        weight_bytes: bytes of the parameters as loaded.
        memory_bytes: bytes the process took for it, by the operating system's or the device's count.
        versions: of the packages that can move a reward.
        verification: the golden example, where rewards are known for this model and it was scored.
    """

    model: str
    revision: str | None
    is_embedded: bool
    n_parameters: int
    precision: Precision
    precision_reason: str
    attention_kernel: str
    attention_reason: str
    placement: str
    placement_reason: str
    max_tokens: int
    weight_bytes: int
    memory_bytes: int
    load_s: float
    versions: Mapping[str, str]
    verification: Verification | None = None


class Scorer(Protocol):
    """What the page, the command line and the recipe need of a backend, wherever the model runs."""

    @property
    def report(self) -> LoadReport:
        """Which model scores, and how."""

    @property
    def is_stuck(self) -> bool:
        """Whether a pass hangs, so that no request can be answered for now."""

    def count_tokens(self, conversation: Conversation) -> int:
        """Tokens of the rendered conversation, also of one over the limit."""

    def score(self, conversations: Sequence[Conversation], *, in_one_forward: bool = False) -> list[Reward]:
        """One reward a conversation, in order; those with one prompt, or all of them, go through one forward."""

    def compare(self, prompt: str, response_a: str, response_b: str, system: str | None = None) -> Comparison:
        """Score two answers to one prompt together."""

    def compare_conversations(self, a: Conversation, b: Conversation) -> Comparison:
        """Score two whole conversations with one prompt."""

    def trace_conversations(self, a: Conversation, b: Conversation) -> tuple[Comparison, RewardTrace, RewardTrace]:
        """The same, with the score head read at every token of both answers in the same forward."""

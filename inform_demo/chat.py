"""Conversation -> token ids, by the checkpoint's own chat template.

What a user types is always text: a `<|eot_id|>` or `</s>` inside a message becomes the tokens of its letters, never the
token that ends a turn. Nothing is truncated: a conversation over the limit is an error that gives both numbers.

How: the template is rendered with every special-token string in the messages masked, so that all that remain were put
there by the template. Those are renamed to names that hold a secret, the masks are lifted, and the text is encoded by
a copy of the tokenizer whose special tokens bear the secret names. Ordinary text so gets the ids of the plain
template, by construction. `split_special_tokens`, which transformers has, would split the template's own tokens too.

Knows text and ids: no tensors and no model.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from inform_demo.errors import ChatTemplateError, CheckpointError, ConversationTooLongError
from inform_demo.types import Conversation


@dataclass(frozen=True)
class EncodedAnswer:
    """A rendered conversation, and where its last answer stands in it.

    Attributes:
        ids: token ids of the whole conversation.
        first: index in `ids` of the first token that holds text of the answer.
        pieces: the answer's text by token from `first` on; joined they are the answer without white space around it.
            Empty where the tokenizer knows no character of it.
            A token that ends a character begun before has an empty piece.
    """

    ids: list[int]
    first: int
    pieces: tuple[str, ...]


class ChatEncoder:
    """Renders and encodes conversations for one checkpoint.

    Args:
        tokenizer: the checkpoint's fast tokenizer, with a chat template.
        max_tokens: the most tokens a rendered conversation may have.

    Raises:
        CheckpointError: the tokenizer has no chat template, or is not a fast one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_tokens: int) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise CheckpointError(
                "The checkpoint's tokenizer has no chat template; a reward model cannot be read without."
            )
        if not getattr(tokenizer, "is_fast", False):
            raise CheckpointError("The checkpoint needs a tokenizer.json (a fast tokenizer); it has none.")
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._secret = secrets.token_hex(8)
        specials = {token.content: id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._secret_names = {content: f"<{self._secret}-{id_}>" for content, id_ in specials.items()}
        longest_first = sorted(map(re.escape, specials), key=len, reverse=True)
        self._special = re.compile("|".join(longest_first) or r"(?!)")
        self._guarded = _rename_special_tokens(tokenizer.backend_tokenizer, specials, self._secret_names)

    def encode(self, conversation: Conversation, what: str = "The conversation") -> list[int]:
        """Token ids of the whole rendered conversation.

        Args:
            what: what to call the conversation if it is too long, such as "Answer A with its prompt".

        Raises:
            ConversationTooLongError: more than `max_tokens` tokens.
            ChatTemplateError: the template refuses these turns.
        """
        ids: list[int] = self._guarded.encode(self._render(conversation), add_special_tokens=False).ids
        self._check_length(len(ids), what)
        return ids

    def encode_answer(self, conversation: Conversation, what: str = "The conversation") -> EncodedAnswer:
        """As `encode`, with the tokens of the last answer told apart from the rest.

        Raises:
            ConversationTooLongError, ChatTemplateError: as `encode`.
        """
        text, begin, end = self._render_marked(conversation)
        encoding = self._guarded.encode(text, add_special_tokens=False)
        self._check_length(len(encoding.ids), what)
        inside = [i for i, (start, stop) in enumerate(encoding.offsets) if stop > begin and start < end]
        # A tokenizer without byte fallback drops characters it does not know; the token before takes them in here.
        stops = [*(encoding.offsets[i][1] for i in inside[:-1]), end]
        starts = [begin, *stops[:-1]]
        pieces = [text[start:stop] for _, start, stop in zip(inside, starts, stops, strict=False)]
        return EncodedAnswer(encoding.ids, inside[0] if inside else len(encoding.ids), tuple(pieces))

    def count(self, conversation: Conversation) -> int:
        """Tokens of the rendered conversation, also of one over the limit."""
        return len(self._guarded.encode(self._render(conversation), add_special_tokens=False).ids)

    def _check_length(self, n_tokens: int, what: str) -> None:
        if n_tokens > self.max_tokens:
            raise ConversationTooLongError(n_tokens, self.max_tokens, what)

    def _render(self, conversation: Conversation, marks: tuple[str, str] = ("", "")) -> str:
        """The conversation as text; `marks` are put around the last answer, inside the white space at its ends."""
        typed: list[str] = []

        def mask(match: re.Match[str]) -> str:
            typed.append(match.group())
            return f"\ue000{self._secret}:{len(typed) - 1}\ue001"

        answer = conversation.response
        core = answer.strip()
        marked = answer.replace(core, f"{marks[0]}{core}{marks[1]}", 1)
        contents = [*(message.content for message in conversation.prompt), marked]
        turns = [
            {"role": message.role, "content": self._special.sub(mask, content)}
            for message, content in zip(conversation.messages, contents, strict=True)
        ]
        try:
            text = self._tokenizer.apply_chat_template(turns, tokenize=False)
        except Exception as error:  # a template may raise whatever an expression in it can
            raise ChatTemplateError(f"The model's chat template does not accept this conversation: {error}") from error
        assert isinstance(text, str)
        text = self._special.sub(lambda match: self._secret_names[match.group()], text)
        return re.sub(f"\ue000{self._secret}:(\\d+)\ue001", lambda match: typed[int(match.group(1))], text)

    def _render_marked(self, conversation: Conversation) -> tuple[str, int, int]:
        """The conversation as text, and where its last answer begins and ends there, without white space around it."""
        marks = f"\ue002{self._secret}", f"\ue003{self._secret}"
        text, marked = self._render(conversation), self._render(conversation, marks)
        before, _, rest = marked.partition(marks[0])
        answer, _, after = rest.partition(marks[1])
        if before + answer + after != text:
            raise ChatTemplateError(
                "The model's chat template rewrites the answer, so its tokens cannot be told apart."
            )
        return text, len(before), len(before) + len(answer)


def _rename_special_tokens(tokenizer: Tokenizer, specials: dict[str, int], names: dict[str, str]) -> Tokenizer:
    """A copy of the tokenizer in which each special token bears another name and keeps its id.

    tokenizers has no call for this, so the copy is made from its JSON form and then checked, id by id.
    """
    description = json.loads(tokenizer.to_str())
    description.update(post_processor=None, truncation=None, padding=None)
    for token in description["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = description["model"]
    if isinstance(model.get("vocab"), dict):
        model["vocab"] = {names.get(token, token): id_ for token, id_ in model["vocab"].items()}
    if model.get("unk_token"):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    renamed = Tokenizer.from_str(json.dumps(description))
    moved = [content for content, id_ in specials.items() if renamed.token_to_id(names[content]) != id_]
    if moved:
        raise CheckpointError(
            f"The tokenizer's special tokens cannot be guarded against typed text: {', '.join(moved)}."
        )
    return renamed

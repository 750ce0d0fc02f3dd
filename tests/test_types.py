"""What is a conversation and what is not."""

from __future__ import annotations

import pytest

from inform_demo.errors import EmptyTextError, InvalidTextError, RoleOrderError
from inform_demo.types import Conversation, Message, build_conversations, parse_messages


def turns(*roles):
    return tuple(Message(role, "text") for role in roles)


@pytest.mark.parametrize(
    "roles", [("user", "assistant"), ("system", "user", "assistant"), ("user", "assistant", "user", "assistant")]
)
def test_good_orders(roles):
    conversation = Conversation(turns(*roles))
    assert conversation.response == "text"
    assert len(conversation.prompt) == len(roles) - 1


@pytest.mark.parametrize(
    "roles",
    [
        (),
        ("user",),
        ("assistant",),
        ("system",),
        ("assistant", "user"),
        ("user", "user", "assistant"),
        ("user", "assistant", "assistant"),
        ("user", "assistant", "user"),
        ("user", "system", "assistant"),
        ("system", "system", "user", "assistant"),
    ],
)
def test_wrong_orders_name_what_came(roles):
    with pytest.raises(RoleOrderError, match=", ".join(roles) or "no turns"):
        Conversation(turns(*roles))


@pytest.mark.parametrize("text", ["", " ", "\n\t  "])
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_empty_texts_name_the_turn(role, text):
    with pytest.raises(EmptyTextError, match=f"The {role} turn is empty"):
        Message(role, text)


def test_lone_surrogate_is_named_with_its_place():
    with pytest.raises(InvalidTextError, match=r"U\+D83D.*character 3"):
        Message("user", "abc\ud83d")


def test_unknown_role():
    with pytest.raises(RoleOrderError, match="'tool'"):
        Message("tool", "text")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "Expected a list"),
        (None, "Expected a list"),
        ({"messages": 3}, "Expected a list"),
        (["text"], "Turn 1 must be an object"),
        ([{"role": "user", "content": "a"}, {"role": "user"}], "Turn 2 must be an object"),
    ],
)
def test_json_that_is_no_conversation(value, message):
    with pytest.raises(RoleOrderError, match=message):
        parse_messages(value)


def test_content_of_another_type_is_refused():
    with pytest.raises(InvalidTextError, match="must hold text; got list"):
        parse_messages([{"role": "user", "content": [{"type": "image"}]}])


def test_parse_and_build_agree():
    parsed = parse_messages({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})
    assert Conversation(parsed) == build_conversations("q", ["a"])[0]
    with_system = build_conversations("q", ["a", "b"], system="s", earlier_turns=turns("user", "assistant"))
    assert [m.role for m in with_system[1].messages] == ["system", "user", "assistant", "user", "assistant"]
    assert with_system[0].prompt == with_system[1].prompt

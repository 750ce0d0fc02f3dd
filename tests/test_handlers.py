from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from inform_demo.errors import (
    CheckpointError,
    ConversationTooLongError,
    EmptyTextError,
    InputError,
    InvalidTextError,
    ModelNotReadyError,
)
from inform_demo.slot import ScorerSlot
from inform_demo.types import Message, build_conversations
from inform_demo.ui import handlers
from inform_demo.ui.examples import EXAMPLES, ORANGES, published_rewards
from tests.doubles import FakeScorer


def compare(slot: ScorerSlot, *texts) -> handlers.Outcome:
    return handlers.compare(slot, handlers.Inputs(*texts))


def slot_of(scorer: FakeScorer) -> ScorerSlot:
    return ScorerSlot(lambda: scorer)


def test_compare_hands_the_texts_on_unchanged_and_returns_what_came_back():
    scorer = FakeScorer()
    outcome = compare(slot_of(scorer), " p\n", "a b c ", "\ta", "  ")
    assert scorer.calls == [(" p\n", "a b c ", "\ta", None)]
    assert outcome.comparison.margin == pytest.approx(0.2)
    assert outcome.report is scorer.report
    assert outcome.published is None


@pytest.mark.parametrize(
    ("texts", "named"),
    [(("", "a", "b"), "Prompt"), (("p", " \n", "b"), "Answer A"), (("p", "a", None), "Answer B")],
)
def test_an_empty_text_is_named_as_the_page_labels_it(texts, named):
    scorer = FakeScorer()
    with pytest.raises(EmptyTextError, match=f"^{named} is empty"):
        compare(slot_of(scorer), *texts)
    assert scorer.calls == []


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (("p\ud800", "a", "b", ""), "Prompt"),
        (("p", "a", "b\udfff", ""), "Answer B"),
        (("p", "a", "b", "\ud800"), "System"),
    ],
)
def test_half_a_surrogate_pair_is_named_by_its_field(texts, named):
    with pytest.raises(InvalidTextError, match=rf"^{named}.*U\+D"):
        compare(slot_of(FakeScorer()), *texts)


def test_what_is_no_text_is_refused():
    with pytest.raises(InvalidTextError, match="Answer A must be text; got int"):
        compare(slot_of(FakeScorer()), "p", 7, "b")


def test_too_many_characters_carry_both_numbers():
    with pytest.raises(InputError, match="Answer B has 1,000,001 characters; the limit is 1,000,000"):
        compare(slot_of(FakeScorer()), "p", "a", "b" * 1_000_001)


def test_earlier_turns_of_any_number_are_bounded_together():
    scorer = FakeScorer()
    turns = (Message("user", "x" * 1_000), Message("assistant", "y" * 1_000)) * 501
    with pytest.raises(InputError, match="The text of the earlier turns has 1,002,000 characters"):
        compare(slot_of(scorer), "p", "a", "b", "", turns)
    assert scorer.calls == []
    compare(slot_of(scorer), "p", "a", "b", "", turns[:1000])
    assert len(scorer.calls) == 1


@pytest.mark.parametrize(("place", "field"), [(0, "Answer A"), (1, "Answer B")])
def test_the_answer_that_is_too_long_is_named_by_its_place_and_not_by_the_errors_words(place, field):
    error = ConversationTooLongError(9000, 8192, "Answer B or whatever it says")
    error.place = place
    with pytest.raises(InputError, match=f"^{field} with its prompt has 9,000 tokens"):
        compare(slot_of(FakeScorer(error=error)), "p", "a", "b")


def test_the_scorer_says_which_of_the_two_is_too_long(embedded_scorer):
    long = "word " * 9_000
    for texts, place in ((("short", long), 1), ((long, "short"), 0)):
        for score in (embedded_scorer.compare_conversations, embedded_scorer.trace_conversations):
            with pytest.raises(ConversationTooLongError) as caught:
                score(*build_conversations("p", texts))
            assert caught.value.place == place


@pytest.mark.parametrize(
    "long",
    [
        handlers.Inputs("p" * 200_000, "a", "b"),
        handlers.Inputs("p", "a" * 200_000, "b" * 200_000),
        handlers.Inputs("p", "a", "b", "s" * 200_000),
        handlers.Inputs("p", "a", "b", "", (Message("user", "x" * 100), Message("assistant", "y" * 100)) * 1000),
    ],
    ids=["prompt", "answers", "system", "turns"],
)
def test_texts_many_times_too_long_are_not_tokenised_to_be_counted(long, monkeypatch):
    slot, counted = slot_of(FakeScorer()), []
    slot.get(10)
    monkeypatch.setattr(slot.get(0), "count_tokens", counted.append)
    assert handlers.count_tokens(slot, long) == (None, None, 8192)
    assert counted == []
    handlers.count_tokens(slot, handlers.Inputs("p" * 20_000, "a", "b"))
    assert len(counted) == 2


def test_a_failed_load_reaches_the_visitor_as_text():
    def load() -> FakeScorer:
        raise CheckpointError("The file is cut short.")

    with pytest.raises(ModelNotReadyError, match="The file is cut short"):
        compare(ScorerSlot(load), "p", "a", "b")


def test_the_status_goes_from_loading_to_ready():
    go = threading.Event()

    def load() -> FakeScorer:
        go.wait(10)
        return FakeScorer()

    slot = ScorerSlot(load)
    loading = handlers.model_status(slot, "some-model")
    assert (loading.state, loading.model, loading.report) == ("loading", "some-model", None)
    go.set()
    slot.get(10)
    ready = handlers.model_status(slot, "some-model")
    assert (ready.state, ready.model) == ("ready", "fake-reward-model")
    assert ready.report is not None


def test_published_rewards_follow_the_answers_and_need_exactly_these_texts():
    o = ORANGES
    assert published_rewards(o.prompt, o.response_a, o.response_b) == (4.96875, 2.890625)
    assert published_rewards(o.prompt, o.response_b, o.response_a + "\n") == (2.890625, 4.96875)
    assert published_rewards(o.prompt, o.response_a, o.response_a) is None
    scorer = slot_of(FakeScorer())
    assert compare(scorer, o.prompt, o.response_a, o.response_b).published == (4.96875, 2.890625)
    assert compare(scorer, o.prompt, o.response_a, o.response_b, "Be brief.").published is None
    turns = (Message("user", "Hello"), Message("assistant", "Hi"))
    assert compare(scorer, o.prompt, o.response_a, o.response_b, "", turns).published is None
    assert published_rewards(o.prompt + "!", o.response_a, o.response_b) is None


def test_every_example_can_be_compared():
    assert len({example.label for example in EXAMPLES}) == len(EXAMPLES) >= 3
    for example in EXAMPLES:
        outcome = compare(slot_of(FakeScorer()), example.prompt, example.response_a, example.response_b)
        assert outcome.published == example.published_rewards


@pytest.mark.parametrize("module", ["handlers", "view", "examples", "texts"])
def test_the_parts_behind_the_layout_need_neither_torch_nor_gradio(module):
    code = f"import sys, inform_demo.ui.{module}; print({{'torch', 'gradio'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_layout_does_not_import_torch():
    code = "import sys, inform_demo.ui.layout; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"

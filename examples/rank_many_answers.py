"""Rank any number of answers to one prompt, which is computed once for all: `python examples/rank_many_answers.py`."""

from inform_demo import Conversation, Message, load_scorer

prompt = Message("user", "Name three fruits.")
answers = ["Apples, pears and plums.", "Fruits are healthy.", "Chair, table, lamp.", "No."]
rewards = load_scorer().score([Conversation((prompt, Message("assistant", answer))) for answer in answers])
for reward, answer in sorted(zip(rewards, answers, strict=True), key=lambda pair: -pair[0].value):
    print(f"{reward.value:+.2f}  {answer}")

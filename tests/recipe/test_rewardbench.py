"""RewardBench's own numbers from the same results, its rows read, and what an item is worth."""

from __future__ import annotations

import json
import sys
from random import Random
from types import SimpleNamespace

import pytest

from inform_demo.errors import DataError, MissingDependencyError
from inform_demo.recipe.rewardbench import (
    REWARDBENCH,
    REWARDBENCH_2,
    Item,
    credit,
    read_benchmark,
    section_scores,
    ties_interval,
    ties_score,
)
from inform_demo.types import build_conversations


def item(n_answers=2, id_="1", n_correct=1, subset="s"):
    answers = build_conversations("p", [f"answer {i}" for i in range(n_answers)])
    return Item(subset, id_, tuple(answers), n_correct)


def test_sections_are_those_of_the_official_aggregation():
    """434 made-up results; the expected numbers are what `calculate_scores_per_section` of rewardbench 0.1.4 gives."""
    random = Random(7)
    accuracies = {}
    for weights in REWARDBENCH.sections.values():
        for subset in weights:
            n = 5 + len(subset)
            accuracies[subset] = sum(random.random() < 0.7 for _ in range(n)) / n
    sections = section_scores(REWARDBENCH, accuracies)
    assert sections == pytest.approx(
        {
            "Chat": 0.7884161197914075,
            "Chat Hard": 0.7068149667353268,
            "Safety": 0.6943992587905632,
            "Reasoning": 0.7488539238539238,
        },
        rel=1e-12,
    )


def test_a_section_without_pairs_is_absent_not_zero():
    assert section_scores(REWARDBENCH, {"donotanswer": 0.5, "llmbar-natural": 0.25, "unknown": 1.0}) == {
        "Chat Hard": 0.25,
        "Safety": 0.5,
    }


def test_the_weights_are_the_published_ones():
    totals = {section: sum(weights.values()) for section, weights in REWARDBENCH.sections.items()}
    assert totals == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 1968}


def ties_rows():
    random = Random(7)
    rows = []
    for k in range(8):
        n = random.choice([1, 2, 3, 4]) if k != 3 else 1
        right = [round(random.gauss(2.0, 0.6), 2) for _ in range(n)]
        rows.append((f"tied:{k}", n, right + [round(random.gauss(0, 0.6), 2) for _ in range(4)]))
        rows.append((f"ref:{k}", 1, [round(random.gauss(0.8, 1), 2) for _ in range(5)]))
    rows.append(("tied:8", 2, [2.0, 2.0, 1.0]))  # no spread
    rows.append(("ref:8", 1, [2.0, 1.0]))
    rows.append(("tied:9", 2, [2.0, 1.5, 1.0]))  # no sibling
    return rows


def test_ties_have_the_official_score():
    """The expected number is what `process_single_model` of rewardbench 0.1.4 gives for the same rewards."""
    rows = ties_rows()
    items = [item(len(rewards), id_, n_correct, "Ties") for id_, n_correct, rewards in rows]
    rewards = [rewards for *_, rewards in rows]
    score = ties_score(items, rewards)
    assert score == pytest.approx(0.47169707847157616, rel=1e-12)
    low, high = ties_interval(items, rewards)
    assert low < score < high
    assert (low, high) == ties_interval(items, rewards)
    perfect = [[5.0 + i / 100 for i in range(it.n_correct)] + [0.0] * (len(it.answers) - it.n_correct) for it in items]
    assert ties_score(items, perfect) == pytest.approx(1.01, abs=1e-3)


def test_what_an_item_is_worth():
    assert [credit(item(), rewards) for rewards in ([1, 0], [0, 1], [1, 1])] == [1, 0, 0]
    four = item(4)
    assert credit(four, [2, 1, 1, 0]) == 1
    assert credit(four, [2, 2, 1, 0]) == 1 / 2
    assert credit(four, [2, 2, 2, 2]) == 1 / 4
    assert credit(four, [1, 2, 0, 0]) == 0


def write(tmp_path, *rows):
    file = tmp_path / "bench.jsonl"
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return file


ONE = {"prompt": "p", "chosen": "good", "rejected": "bad", "subset": "donotanswer", "id": 12}
TWO = {"prompt": "p", "chosen": ["a", "b"], "rejected": ["c"], "subset": "Ties", "id": "tied:3"}


def test_rows_of_both_benchmarks_are_items(tmp_path):
    (pair,) = read_benchmark(REWARDBENCH, write(tmp_path, ONE))
    assert (pair.subset, pair.id, pair.n_correct, [a.response for a in pair.answers]) == (
        "donotanswer", "12", 1, ["good", "bad"],
    )  # fmt: skip
    (tied,) = read_benchmark(REWARDBENCH_2, write(tmp_path, TWO))
    assert (tied.n_correct, [a.response for a in tied.answers]) == (2, ["a", "b", "c"])


BAD = {
    "no JSON": ("{", "is no JSON"),
    "a column is missing": ({"prompt": "p", "chosen": "a", "subset": "donotanswer"}, r"missing: \['rejected'\]"),
    "another benchmark's subset": ({**ONE, "subset": "Focus"}, "expected a subset of rewardbench; got 'Focus'"),
    "no text": ({**ONE, "chosen": 3}, "expected texts"),
    "no wrong answer": ({**ONE, "rejected": []}, "expected texts"),
    "an empty answer": ({**ONE, "rejected": " "}, "empty"),
}


@pytest.mark.parametrize(("bad", "message"), BAD.values(), ids=BAD)
def test_a_bad_row_is_told_by_line_or_left_out(tmp_path, bad, message):
    file = write(tmp_path, ONE, bad)
    with pytest.raises(DataError, match=message) as caught:
        read_benchmark(REWARDBENCH, file)
    assert caught.value.line == 2
    skipped = []
    assert len(read_benchmark(REWARDBENCH, file, skipped)) == 1
    assert len(skipped) == 1


def test_ties_need_an_id_that_names_their_sibling(tmp_path):
    with pytest.raises(DataError, match="such as ref:1 or tied:1"):
        read_benchmark(REWARDBENCH_2, write(tmp_path, {**TWO, "id": "3"}))


def test_the_hub_is_asked_for_the_dataset_and_its_failure_has_a_way_out(monkeypatch):
    asked = []

    def load_dataset(name, split):
        asked.append((name, split))
        if name.endswith("-2"):
            raise ConnectionError("no route")
        return [ONE]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert len(read_benchmark(REWARDBENCH, None)) == 1
    assert asked == [("allenai/reward-bench", "filtered")]
    with pytest.raises(DataError, match=r"no route\. Give a file with the same columns by --data"):
        read_benchmark(REWARDBENCH_2, None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'inform-demo\[rewardbench\]'"):
        read_benchmark(REWARDBENCH, None)

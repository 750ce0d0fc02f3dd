"""Accuracies, their intervals against published values, and a length-only baseline that does what it says."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from random import Random

import pytest

from inform_demo.cli import main
from inform_demo.errors import ConfigError, DataError, OutOfMemoryError
from inform_demo.preference import wilson_interval
from inform_demo.recipe.evaluation import EvaluationConfig, evaluate
from inform_demo.recipe.evaluation_report import plot_results, render_markdown
from inform_demo.recipe.results import effective_n, evaluation_from_dict, interval_of
from tests.doubles import FakeScorer
from tests.recipe.conftest import row


@pytest.mark.parametrize(
    ("n_won", "n", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (80, 100, 0.7112, 0.8666)],
)
def test_wilson_interval_against_published_values(n_won, n, low, high):
    assert wilson_interval(n_won, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("n_prompts", "at_least"), [(30, 0.93), (6, 0.89)])
def test_intervals_hold_the_truth_about_as_often_as_they_say_where_pairs_share_prompts(n_prompts, at_least):
    """Prompts with 1 to 9 pairs each, some easy, some hard: about nineteen intervals in twenty hold the mean, 0.6."""
    random, n_held, n_naive = Random(0), 0, 0
    for _ in range(2000):
        groups = []
        for _ in range(n_prompts):
            ease = random.betavariate(1.2, 0.8)
            groups.append([float(random.random() < ease) for _ in range(random.randint(1, 9))])
        n, n_won = sum(map(len, groups)), sum(map(sum, groups))
        low, high = interval_of(n_won, n, effective_n(groups))
        n_held += low <= 0.6 <= high
        low, high = wilson_interval(n_won, n)
        n_naive += low <= 0.6 <= high
    assert at_least <= n_held / 2000 <= 0.97
    assert n_naive / 2000 < 0.85  # what it is there for


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([[1], [0], [1], [1]], 4),  # a pair a prompt: nothing is shared
        ([[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]], 3),  # each prompt all or nothing; (G - 1) of G prompts
        ([[1, 1, 1], [1, 1]], 2),
        ([[1, 0, 1, 0]], 1),
        ([[1, 0], [0, 1], [1, 0]], 6),  # each prompt half and half: never more than there are
    ],
)
def test_how_many_independent_pairs_there_are(groups, expected):
    assert effective_n(groups) == pytest.approx(expected)


# The fake scorer rewards different words: won, lost, and a tie, which counts as lost.
ROWS = [
    row("p", "three different words", "one", source="a"),
    row("p", "one", "three different words", source="a"),
    row("p", "same", "size", source="a"),
    row("p", "two words", "x", source="synthetic-one"),
    row("p", "x", "yy", source="synthetic-two"),
]


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join([*map(json.dumps, ROWS), "no json"]))
    return file


def test_wins_ties_and_the_longer_answer_are_counted(data):
    evaluation = evaluate(FakeScorer(), EvaluationConfig(data=data, skip_invalid=True))
    counted = {s.source: (s.n, s.n_won, s.longer_wins, s.shorter_wins, s.length_rule) for s in evaluation.subsets}
    assert counted == {
        "a": (3, 1, 0.5, 0.5, "either"),  # won, lost, and a half for the two of one length
        "synthetic-one": (1, 1, 1.0, 0.0, "longer"),
        "synthetic-two": (1, 0, 0.0, 1.0, "shorter"),
    }
    assert evaluation.n_invalid == 1
    assert evaluation_from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation


def test_leaning_on_length_is_measured_where_lengths_differ(data):
    """Of the five rows, "same" and "size" are of one length; the fake scorer always prefers the one with more words."""
    evaluation = evaluate(FakeScorer(), EvaluationConfig(data=data, skip_invalid=True))
    assert evaluation.longest_preferred == pytest.approx(3 / 4)  # "x" and "yy" have one word each: a tie
    assert evaluation.longest_right == pytest.approx(2 / 4)
    assert "preferred in 75.0% and right in 50.0%" in render_markdown(evaluation)


def test_the_table_sums_what_it_says_it_sums(data):
    table = render_markdown(evaluate(FakeScorer(), EvaluationConfig(data=data, skip_invalid=True)))
    assert "| synthetic-* together | 2 | 2 | 0.500 |" in table
    assert "| all pairs together | 5 | 3 | 0.400 |" in table
    assert "1 invalid rows" in table


def test_an_invalid_row_stops_unless_it_may_be_skipped(data):
    with pytest.raises(DataError, match="line 6"):
        evaluate(FakeScorer(), EvaluationConfig(data=data))


class ShortScorer(FakeScorer):
    """Takes six tokens at most; the doubles count a token a word and one a turn."""

    @property
    def report(self):
        return replace(super().report, max_tokens=6)


def test_pairs_over_the_limit_are_counted_not_cut(tmp_path):
    data = tmp_path / "pairs.jsonl"
    rows = [row("one two three", "answer", "other"), row("p", "x", "one two three four"), row("p", "x", "y")]
    data.write_text("\n".join(map(json.dumps, rows)))
    evaluation = evaluate(ShortScorer(), EvaluationConfig(data=data))
    assert evaluation.n_too_long == 1
    assert sum(subset.n for subset in evaluation.subsets) == 2
    data.write_text(json.dumps(rows[1]))
    with pytest.raises(DataError, match="1 were over the token limit"):
        evaluate(ShortScorer(), EvaluationConfig(data=data))


class CountingScorer(FakeScorer):
    """Notes what it is asked to score, and fails when it has been asked `limit` times."""

    def __init__(self, limit=1000):
        super().__init__()
        self.limit = limit
        self.asked = []

    def score(self, conversations, *, in_one_forward=False):
        if len(self.asked) == self.limit:
            raise OutOfMemoryError("full")
        self.asked.append((len(conversations), in_one_forward))
        return super().score(conversations)


@pytest.fixture
def many(tmp_path):
    file = tmp_path / "many.jsonl"
    rows = [row(f"p{i}", "word " * (1 + i % 7), "x", source=f"s{i % 3}") for i in range(30)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_stopped_evaluation_goes_on_where_it_was(many, tmp_path):
    config = EvaluationConfig(data=many, scores=tmp_path / "scores.jsonl")
    whole = evaluate(CountingScorer(), EvaluationConfig(data=many))
    with pytest.raises(OutOfMemoryError):
        evaluate(CountingScorer(limit=12), config)
    config.scores.write_text(config.scores.read_text()[:-3])  # a kill in the middle of the last line
    second = CountingScorer()
    assert evaluate(second, config) == whole
    assert len(second.asked) == 30 - 11
    third = CountingScorer(limit=0)
    assert evaluate(third, config) == whole


def test_scores_of_another_model_are_not_taken_over(many, tmp_path):
    config = EvaluationConfig(data=many, scores=tmp_path / "scores.jsonl")
    evaluate(CountingScorer(), config)

    class Other(FakeScorer):
        @property
        def report(self):
            return replace(super().report, precision="bf16")

    with pytest.raises(ConfigError, match="Name another file by --scores"):
        evaluate(Other(), config)


def test_scores_of_other_weights_of_the_same_name_are_not_taken_over(many, tmp_path):
    config = EvaluationConfig(data=many, scores=tmp_path / "scores.jsonl", weights={"model.safetensors": "a"})
    evaluate(CountingScorer(), config)
    again = CountingScorer(limit=0)
    evaluate(again, config)
    with pytest.raises(ConfigError, match="Name another file by --scores"):
        evaluate(CountingScorer(), replace(config, weights={"model.safetensors": "b"}))


def test_a_file_that_holds_no_scores_is_left_as_it_is(many, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("shopping\nwithout an end", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds scores of something else"):
        evaluate(CountingScorer(), EvaluationConfig(data=many, scores=file))
    assert file.read_text(encoding="utf-8") == "shopping\nwithout an end"


def test_where_results_cannot_be_written_nothing_is_scored(many, tmp_path, capsys):
    for option in ("--output", "--markdown", "--plot", "--scores"):
        command = ["evaluate", "--data", str(many), option, str(tmp_path / "nowhere" / "file")]
        assert main(command) == 2
        assert "there is no folder" in capsys.readouterr().err
        assert main([*command[:-1], str(tmp_path)]) == 2
        assert f"{option} {tmp_path}: expected a file" in capsys.readouterr().err
    assert main(["evaluate", "--data", str(many), "--plot", str(tmp_path / "plot.foo")]) == 2
    assert "ends in .png" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "drift"])
def test_what_is_read_is_not_written_over(many, tmp_path, capsys, command):
    picture = many.rename(tmp_path / "pairs.png")  # the one name that every option that writes takes
    before = picture.read_bytes()
    for option in ("--output", "--markdown", "--plot", "--scores") if command == "evaluate" else ("--plot",):
        same = tmp_path / "." / picture.name
        assert main([command, "--data", str(picture), option, str(same)]) == 2
        assert f"{option} {same} is the file of --data" in capsys.readouterr().err
    assert picture.read_bytes() == before


def test_two_results_in_one_file_are_one_too_few(many, tmp_path, capsys):
    file = str(tmp_path / "results")
    assert main(["evaluate", "--data", str(many), "--output", file, "--markdown", file]) == 2
    assert "--markdown" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["no JSON", "[[1, 2]]", "7"])
def test_a_line_that_is_no_scores_is_told_by_its_number(many, tmp_path, line):
    config = EvaluationConfig(data=many, scores=tmp_path / "scores.jsonl")
    evaluate(CountingScorer(), config)
    lines = config.scores.read_text().splitlines()
    config.scores.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    with pytest.raises(ConfigError, match="line 3: expected rewards by item"):
        evaluate(CountingScorer(), config)


def test_items_of_about_one_length_share_a_forward(many):
    alone, shared = CountingScorer(), CountingScorer()
    whole = evaluate(alone, EvaluationConfig(data=many))
    assert alone.asked == [(2, False)] * 30
    assert evaluate(shared, EvaluationConfig(data=many, batch_tokens=40)) == whole
    assert len(shared.asked) < 15
    assert sum(n for n, _ in shared.asked) == 60
    assert all(together == (n > 2) for n, together in shared.asked)


def benchmark_file(tmp_path):
    file = tmp_path / "bench.jsonl"
    rows = [
        {"prompt": f"p{i}", "chosen": "several different words" if i % 3 else "few", "rejected": "other words",
         "subset": subset}
        for i, subset in enumerate(["donotanswer", "xstest-should-respond", "hep-rust", "math-prm", "math-prm"])
    ]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_benchmark_is_reported_by_section_beside_the_published_rows(tmp_path):
    evaluation = evaluate(FakeScorer(), EvaluationConfig(data=benchmark_file(tmp_path), benchmark="rewardbench"))
    assert evaluation_from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation
    assert evaluation.sections == {"Safety": 250 / 386, "Reasoning": (164 + 984 / 2) / (164 + 984)}
    report = render_markdown(evaluation)
    assert "| **fake-reward-model** | 61.0 | – | – | 64.8 | 57.1 |" in report
    assert "| INF-ORM-v3 (averaged), published | 95.1 | 96.6 | 91.0 | 93.6 | 99.1 |" in report
    assert "This score covers Safety, Reasoning; there are no items of Chat, Chat Hard." in report
    plot_results(evaluation, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_rewardbench_2_shares_ties_and_has_a_formula(tmp_path):
    def answers(*sizes):
        return [" ".join(f"w{i}" for i in range(size)) for size in sizes]

    rows = [
        {"prompt": "p", "chosen": answers(3), "rejected": answers(3, 2, 1), "subset": "Math", "id": "1"},
        {"prompt": "q", "chosen": answers(4, 5), "rejected": answers(1, 2), "subset": "Ties", "id": "tied:1"},
        {"prompt": "r", "chosen": answers(4), "rejected": answers(1, 2), "subset": "Ties", "id": "ref:1"},
    ]
    file = tmp_path / "two.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    evaluation = evaluate(FakeScorer(), EvaluationConfig(data=file, benchmark="rewardbench-2"))
    accuracies = {subset.source: subset.accuracy for subset in evaluation.subsets}
    assert accuracies["Math"] == 1 / 2
    assert accuracies["Ties"] == pytest.approx(1 + 0.01 * math.tanh(1))
    assert "Ties has a formula of its own" in render_markdown(evaluation)


@pytest.mark.parametrize("change", [{"benchmark": "other"}, {"data": None}, {"batch_tokens": -1}], ids=str)
def test_impossible_settings_are_refused(tmp_path, change):
    with pytest.raises(ConfigError):
        EvaluationConfig(**{"data": tmp_path, **change})

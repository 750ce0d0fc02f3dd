"""How often a model prefers the right answer: a row a subset, with what it takes to judge it.

That is n, a 95 % interval, and what going by length alone would have given. Rewards are kept as they come, so
that a run that is stopped goes on where it was. Knows a Scorer and items; no model.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import fmean

from tqdm import tqdm

from inform_demo.errors import ConfigError, DataError
from inform_demo.recipe.pairs import read_pairs
from inform_demo.recipe.results import Evaluation, SubsetResult, effective_n, interval_of
from inform_demo.recipe.rewardbench import (
    BENCHMARKS,
    TIES,
    Benchmark,
    Item,
    credit,
    read_benchmark,
    section_scores,
    ties_interval,
    ties_score,
)
from inform_demo.types import Message, Scorer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What to evaluate on, and how; every field is an option of `inform-demo evaluate`.

    Attributes:
        data: a file of pairs or, with a benchmark, of its rows; without one the benchmark comes from the hub.
        benchmark: a name in `BENCHMARKS`; None for pairs with the model card's columns.
        scores: file that rewards are added to as they come; what it already holds is not computed again.
        weights: hashes of a local checkpoint's files, see `hash_weights`, so that of two trainings of one name each has
            scores of its own. Empty for a hub id, which has a revision.
        batch_tokens: items of about one length share a forward up to this many tokens; 0 for one forward an item,
            whose rewards are those of the page to the bit.
        skip_invalid: leave rows out that are no item, and count them, instead of stopping at the first.
    """

    data: Path | None
    benchmark: str | None = None
    scores: Path | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    batch_tokens: int = 0
    skip_invalid: bool = False

    def __post_init__(self) -> None:
        if self.benchmark is not None and self.benchmark not in BENCHMARKS:
            raise ConfigError(f"benchmark must be one of {', '.join(BENCHMARKS)}; got {self.benchmark!r}.")
        if self.benchmark is None and self.data is None:
            raise ConfigError("Expected a file of pairs (--data) or a benchmark (--benchmark).")
        if self.batch_tokens < 0:
            raise ConfigError(f"batch_tokens must be 0 or more; got {self.batch_tokens}.")


def evaluate(scorer: Scorer, config: EvaluationConfig) -> Evaluation:
    """Score every item, with a progress bar and the time left on stderr, and sum up.

    Raises:
        DataError: a row is no item and `skip_invalid` is off, or no item is left.
        ConfigError: the file of scores is another model's.
    """
    skipped: list[DataError] | None = [] if config.skip_invalid else None
    benchmark = BENCHMARKS[config.benchmark] if config.benchmark else None
    items = read_items(config, benchmark, skipped)
    lengths = [[scorer.count_tokens(answer) for answer in item.answers] for item in items]
    fitting = [i for i, counts in enumerate(lengths) if max(counts) <= scorer.report.max_tokens]
    where = config.data.name if config.data else benchmark.dataset if benchmark else ""
    if not fitting:
        raise DataError(f"expected items to score; {len(items)} were over the token limit", where)
    kept = [items[i] for i in fitting]
    rewards = score_items(scorer, kept, [sum(lengths[i]) for i in fitting], config)
    subsets = summarise(kept, rewards)
    return Evaluation(
        scorer.report.model,
        scorer.report.precision,
        where,
        subsets,
        len(items) - len(kept),
        len(skipped or ()),
        *length_lean(kept, rewards),
        config.benchmark,
        section_scores(benchmark, {s.source: s.accuracy for s in subsets}) if benchmark else {},
        section_scores(benchmark, {s.source: s.longer_wins for s in subsets}) if benchmark else {},
    )


def read_items(config: EvaluationConfig, benchmark: Benchmark | None, skipped: list[DataError] | None) -> list[Item]:
    """The items that a configuration names."""
    if benchmark is not None:
        return read_benchmark(benchmark, config.data, skipped)
    assert config.data is not None, "checked by EvaluationConfig"
    pairs = read_pairs(config.data, skipped, needs_magnitude=False)
    return [Item(pair.source, str(i), (pair.chosen, pair.rejected)) for i, pair in enumerate(pairs)]


def score_items(
    scorer: Scorer, items: Sequence[Item], n_tokens: Sequence[int], config: EvaluationConfig
) -> list[list[float]]:
    """The rewards of each item's answers, those that `config.scores` already holds included.

    The longest go first, so that what does not fit shows at once, and those of one length share a forward. Which ones
    do does not depend on where a run was stopped.
    """
    log = ScoreLog(config.scores, scorer, config.weights)
    keys = [item_key(item) for item in items]
    with tqdm(total=sum(n_tokens), unit="token", unit_scale=True, desc="scoring") as progress:
        for batch in _batches(n_tokens, config.batch_tokens):
            if any(keys[i] not in log.rewards for i in batch):
                answers = list(chain.from_iterable(items[i].answers for i in batch))
                values = (reward.value for reward in scorer.score(answers, in_one_forward=len(batch) > 1))
                log.add({keys[i]: [next(values) for _ in items[i].answers] for i in batch})
            progress.update(sum(n_tokens[i] for i in batch))
    return [log.rewards[key] for key in keys]


def _batches(n_tokens: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for i in sorted(range(len(n_tokens)), key=lambda i: -n_tokens[i]):
        if batch and sum(n_tokens[j] for j in batch) + n_tokens[i] > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def item_key(item: Item) -> str:
    """What a score log knows an item by: a hash of all its answers' turns, whatever file it comes from."""
    turns = [[[message.role, message.content] for message in answer.messages] for answer in item.answers]
    return hashlib.sha256(json.dumps(turns).encode()).hexdigest()[:32]


def parse_rewards(lines: Sequence[str], path: Path) -> dict[str, list[float]]:
    """Rewards by `item_key` from the lines of a score log, of which the first names the model.

    Raises:
        ConfigError: a line holds something else.
    """
    rewards: dict[str, list[float]] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            words = f"expected rewards by item; got {line[:40]!r}. Remove that line to go on."
            raise ConfigError(f"{path}, line {number}: {words}")
        rewards |= found
    return rewards


class ScoreLog:
    """Rewards by item, in memory and, where there is a path, in a JSONL file whose first line names the model.

    Raises:
        ConfigError: the file is none of scores, or cannot be read, or was written with another model, other weights or
            another precision.
    """

    def __init__(self, path: Path | None, scorer: Scorer, weights: Mapping[str, str]) -> None:
        self.rewards: dict[str, list[float]] = {}
        self._path = path
        report = scorer.report
        digest = hashlib.sha256(json.dumps(sorted(weights.items())).encode()).hexdigest()[:16] if weights else None
        header = {"model": report.model, "revision": report.revision, "precision": report.precision, "weights": digest}
        if path is None:
            return
        try:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
            if not lines:
                path.write_text(json.dumps(header) + "\n", encoding="utf-8")
                return
            found = json.loads(lines[0])
        except ValueError:
            found = "something else"
        except OSError as error:
            raise ConfigError(f"{path} cannot keep the scores: {error}") from error
        if found != header:
            raise ConfigError(f"{path} holds scores of {found}; this is {header}. Name another file by --scores.")
        if not lines[-1].endswith("\n"):  # the line that a kill cut short
            path.write_text("".join(lines[:-1]), encoding="utf-8")
            lines.pop()
        self.rewards = parse_rewards(lines, path)

    def add(self, rewards: Mapping[str, list[float]]) -> None:
        """Keep the rewards of items by key."""
        self.rewards.update(rewards)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rewards) + "\n")


def summarise(items: Sequence[Item], rewards: Sequence[Sequence[float]]) -> tuple[SubsetResult, ...]:
    """The subsets, sorted by name, from items and the rewards of their answers."""
    by_subset: dict[str, list[int]] = {}
    for i, item in enumerate(items):
        by_subset.setdefault(item.subset, []).append(i)
    return tuple(
        _summarise_subset([items[i] for i in members], [rewards[i] for i in members])
        for _, members in sorted(by_subset.items())
    )


def _summarise_subset(items: Sequence[Item], rewards: Sequence[Sequence[float]]) -> SubsetResult:
    n, name = len(items), items[0].subset
    lengths = [[float(len(answer.response)) for answer in item.answers] for item in items]
    shortness = [[-length for length in values] for values in lengths]
    if name == TIES:
        by_length = (ties_score(items, values) for values in (lengths, shortness))
        return SubsetResult(name, n, n * ties_score(items, rewards), n, n, *ties_interval(items, rewards), *by_length)
    by_prompt: dict[tuple[Message, ...], list[float]] = {}
    for item, values in zip(items, rewards, strict=True):
        by_prompt.setdefault(item.answers[0].prompt, []).append(credit(item, values))
    n_effective, n_won = effective_n(by_prompt.values()), sum(map(sum, by_prompt.values()))
    by_length = (fmean(map(_draw, items, values)) for values in (lengths, shortness))
    interval = interval_of(n_won, n, n_effective)
    return SubsetResult(name, n, n_won, len(by_prompt), n_effective, *interval, *by_length)


def _draw(item: Item, values: Sequence[float]) -> float:
    """The chance that an answer drawn from those of the highest value is a right one."""
    best = [i for i, value in enumerate(values) if value == max(values)]
    return sum(i < item.n_correct for i in best) / len(best)


def length_lean(items: Sequence[Item], rewards: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Of the items with one longest answer, in characters: how often it is preferred, and how often right.

    Both are 0 where no item has one. Items whose highest reward is shared count as not preferring the longest.
    """
    n_items = n_preferred = n_right = 0
    for item, values in zip(items, rewards, strict=True):
        lengths = [len(answer.response) for answer in item.answers]
        longest = max(lengths)
        if lengths.count(longest) == 1:
            i = lengths.index(longest)
            n_items += 1
            n_preferred += all(values[i] > value for j, value in enumerate(values) if j != i)
            n_right += i < item.n_correct
    return (n_preferred / n_items, n_right / n_items) if n_items else (0.0, 0.0)

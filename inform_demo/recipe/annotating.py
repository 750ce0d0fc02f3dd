"""A run of `inform-demo annotate`: what is still to be asked, asking it within bounds, and what is written at the end.

The log of judgements is the truth: a line is added the moment a judge has replied, so a run that is stopped or killed
goes on where it was and pays for nothing twice. Knows budgets, concurrency and output files; the protocol is
`annotation`'s and the network `judge`'s.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inform_demo.errors import DataError
from inform_demo.recipe.annotation import (
    ORDERS,
    TEMPLATE_VERSION,
    Annotation,
    Failure,
    Outcome,
    Question,
    Usage,
    combine,
    estimate_usage,
)
from inform_demo.recipe.annotation_config import AnnotationConfig
from inform_demo.recipe.annotation_report import AnnotationReport, UnjudgedPair, count_annotations
from inform_demo.recipe.judge import Judge
from inform_demo.recipe.judgement_log import JudgementLog
from inform_demo.recipe.pairs import read_pairs

logger = logging.getLogger(__name__)

# So many questions in a row without any reply, retries included, and the rest is not asked.
MOST_SILENCE = 16

# Refusals of one question, such as one that is too long; where others have been judged they say nothing of the next.
OWN_FAULTS = {"HTTP 400", "HTTP 413", "HTTP 422"}


@dataclass(frozen=True)
class Work:
    """The pairs of a file as questions, and what earlier runs know of them."""

    questions: tuple[tuple[Question, ...], ...]
    n_invalid: int
    log: JudgementLog

    @property
    def missing(self) -> list[Question]:
        """Questions still to be asked, each once even if a pair occurs twice."""
        by_key = {question.key: question for pair in self.questions for question in pair}
        return [question for key, question in by_key.items() if key not in self.log.judgements]

    def estimate(self) -> Usage:
        """What asking for the missing ones will take, by length alone."""
        return reduce(add, map(estimate_usage, self.missing), Usage())


def load_work(config: AnnotationConfig) -> Work:
    """What there is to do; changes nothing and asks nobody.

    Raises:
        DataError: a row is no pair and `skip_invalid` is off, there is no pair, or the log is not one.
    """
    skipped: list[DataError] | None = [] if config.skip_invalid else None
    pairs = list(islice(read_pairs(config.data, skipped, needs_magnitude=False), config.limit))
    if not pairs:
        raise DataError("expected pairs to annotate; there are none", str(config.data))
    model = config.judge.model
    questions = tuple(tuple(Question(pair, order, model) for order in ORDERS) for pair in pairs)
    return Work(questions, len(skipped or ()), JudgementLog(config.log_path, model))


def annotate(config: AnnotationConfig) -> AnnotationReport:
    """Ask for every judgement that is missing, with a progress bar on stderr, and write pairs and report.

    Raises:
        ConfigError: no question can succeed: the key, the model or the address is wrong.
        MissingDependencyError: without the openai package.
    """
    work = load_work(config)
    missing = work.missing
    failures: dict[str, Failure] = {}
    if missing:
        try:
            failures = asyncio.run(_ask_all(config, work.log, missing))
        except KeyboardInterrupt:
            n_missing = len(work.missing)
            logger.warning("Stopped with %d judgements missing. The same command goes on from here.", n_missing)
            raise
    return _write(config, work, failures)


async def _ask_all(config: AnnotationConfig, log: JudgementLog, questions: Sequence[Question]) -> dict[str, Failure]:
    async with Judge(config.judge) as judge:
        with log.appending(), tqdm(total=len(questions), unit="judgement", desc="judging") as bar:
            asking = _Asking(config, judge, log, bar)
            await asking.ask_all(questions)
    return asking.failures


class _Asking:
    """Questions under way: never more than the concurrency, never more than the budget."""

    def __init__(self, config: AnnotationConfig, judge: Judge, log: JudgementLog, bar: tqdm[Any]) -> None:
        self.failures: dict[str, Failure] = {}
        self._config, self._judge, self._log, self._bar = config, judge, log, bar
        self._under_way: dict[asyncio.Task[Outcome], tuple[Question, Usage]] = {}
        self._n_silent = 0

    async def ask_all(self, questions: Iterable[Question]) -> None:
        """Ask until all is asked, the budget is reached or the server is silent; every question gets its outcome."""
        left = deque(questions)
        why = Failure("not asked", f"the {MOST_SILENCE} before got no reply")
        try:
            while left and self._n_silent < MOST_SILENCE:
                if self._can_start(left[0]):
                    self._start(left.popleft())
                elif self._under_way:
                    await self._settle()
                else:
                    why = Failure("budget reached", "not asked")
                    break
            await self._settle_all()
        except asyncio.CancelledError:
            logger.warning("Stopping: replies under way are paid for and waited for. Ctrl+C again drops them.")
            await self._settle_all()
            raise
        finally:
            await self._drop_all()
        self.failures.update((question.key, why) for question in left)

    def _at_most(self, question: Question) -> Usage:
        return estimate_usage(question, self._config.judge.max_reply_tokens)

    def _can_start(self, question: Question) -> bool:
        reserved = [usage for _, usage in self._under_way.values()]
        return len(reserved) < self._config.concurrency and self._config.allows(
            reduce(add, reserved, self._log.usage + self._at_most(question))
        )

    def _start(self, question: Question) -> None:
        task = asyncio.create_task(self._judge.ask(question))
        self._under_way[task] = (question, self._at_most(question))

    async def _settle(self) -> None:
        """Wait for one outcome or more and write them down."""
        done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self._record(self._under_way[task][0], task.result())
            del self._under_way[task]

    async def _settle_all(self) -> None:
        while self._under_way:
            await self._settle()

    async def _drop_all(self) -> None:
        """After an error: cancel what is under way, and keep what has arrived all the same."""
        for task in self._under_way:
            task.cancel()
        outcomes = await asyncio.gather(*self._under_way, return_exceptions=True)
        for (question, _), outcome in zip(self._under_way.values(), outcomes, strict=True):
            if isinstance(outcome, Outcome):
                self._record(question, outcome)

    def _record(self, question: Question, outcome: Outcome) -> None:
        self._log.add(question, outcome)
        self._bar.update()
        result = outcome.result
        if outcome.usage.n_tokens:
            self._n_silent = 0
        elif not (isinstance(result, Failure) and result.reason in OWN_FAULTS and self._log.judgements):
            self._n_silent += 1
        if isinstance(result, Failure):
            self.failures[question.key] = result
            logger.info("no judgement (%s): %s", result.reason, result.detail)


def _write(config: AnnotationConfig, work: Work, failures: dict[str, Failure]) -> AnnotationReport:
    known = work.log.judgements
    annotations: list[Annotation] = []
    written: list[tuple[Question, Annotation]] = []
    unjudged: list[UnjudgedPair] = []
    for number, (first, second) in enumerate(work.questions, 1):
        if first.key in known and second.key in known:
            annotation = combine(known[first.key], known[second.key])
            annotations.append(annotation)
            if not (annotation.label_conflict and config.drop_conflicts):
                written.append((first, annotation))
        else:
            failure = failures[first.key] if first.key in failures else failures[second.key]
            unjudged.append(UnjudgedPair(number, first.pair.chosen.prompt[-1].content[:80], failure))
    report = AnnotationReport(
        judge=config.judge.model,
        template_version=TEMPLATE_VERSION,
        n_pairs=len(work.questions),
        n_invalid=work.n_invalid,
        unjudged=tuple(unjudged),
        usage=work.log.usage,
        cost_usd=config.cost_usd(work.log.usage),
        **count_annotations(annotations, [annotation for _, annotation in written]),
    )
    _replace(config.output, (json.dumps(_row(*one), ensure_ascii=False) for one in written))
    _replace(config.report_path, [json.dumps(report.to_dict(), indent=1)])
    return report


def _row(question: Question, annotation: Annotation) -> dict[str, Any]:
    pair = question.pair
    return {
        "chosen": [asdict(message) for message in pair.chosen.messages],
        "rejected": [asdict(message) for message in pair.rejected.messages],
        "magnitude": annotation.magnitude,
        "source": pair.source,
        "disputed": annotation.disputed,
        "label_conflict": annotation.label_conflict,
        "judge": question.judge,
    }


def _replace(path: Path, lines: Iterable[str]) -> None:
    """Write the whole file or leave the one that is there."""
    temporary = path.with_name(f"{path.name}.tmp")
    with gzip.open(temporary, "wb") if path.suffix == ".gz" else temporary.open("wb") as file:
        file.writelines(f"{line}\n".encode() for line in lines)
    temporary.replace(path)

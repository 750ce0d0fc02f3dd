"""One forward pass over sequences of ids, come what may: too little memory, a pass that hangs, a reward that is none.

What does not fit is tried in halves, down to single sequences and there with the MLPs in pieces; then it is an error
that says what would fit. In fp32 a reward is the same either way; in bf16 its last bits can move, and the log says so.

Knows the model and token ids; knows no text and no conversation.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import torch

from inform_demo.config import DEFAULT_FORWARD_TIMEOUT_S, Precision
from inform_demo.errors import NonFiniteRewardError, NoRoomError, OutOfMemoryError, ScoringTimeoutError
from inform_demo.memory import estimate_bytes, fitting_tokens, free_bytes, is_out_of_memory
from inform_demo.modeling import INFORMForSequenceClassification
from inform_demo.packing import Pack, TokenIds, build_pack, split_groups
from inform_demo.watchdog import Watchdog

logger = logging.getLogger(__name__)

# Twenty tokens a second: slower than any device that is worth serving from.
ALLOWANCE_S = 0.05

# Tokens that go through an MLP at a time where memory is short: enough to keep a GPU's matmuls efficient.
MLP_ROWS = 512


@dataclass(frozen=True)
class Scored:
    """What came out for one sequence.

    Attributes:
        n_shared: leading tokens that were computed once for all sequences of its group.
        token_values: the head's value at every token of the sequence; empty where no trace was asked for.
    """

    value: float
    n_shared: int
    token_values: tuple[float, ...] = ()


class ForwardRunner:
    """Runs packs on one model, one at a time, whoever calls.

    Args:
        precision: what the model was loaded in, which says how much memory a pass takes; by default that of its dtype.
        timeout_s: seconds that a pass may take, besides `ALLOWANCE_S` for each token.
    """

    def __init__(
        self,
        model: INFORMForSequenceClassification,
        precision: Precision | None = None,
        timeout_s: float = DEFAULT_FORWARD_TIMEOUT_S,
    ) -> None:
        self._model = model
        self._precision: Precision = precision or ("fp32" if model.dtype == torch.float32 else "bf16")
        self._timeout_s = timeout_s
        self._watchdog = Watchdog()

    @property
    def is_stuck(self) -> bool:
        """Whether a pass that was given up still has not come back."""
        return self._watchdog.is_stuck

    def run(self, groups: Sequence[Sequence[TokenIds]], *, trace: bool = False) -> list[Scored]:
        """One result a sequence, in the order given.

        Args:
            groups: sequences that share a prompt, group by group; all go through one forward if that fits.
            trace: read the head at every token as well.

        Raises:
            OutOfMemoryError: not even a single sequence fits; `NoRoomError` where that was clear before.
            ScoringTimeoutError, ModelStuckError: this pass, or an earlier one, does not come back.
            NonFiniteRewardError: the model answered NaN or infinity.
        """
        pack = build_pack(groups)
        scored = self._try(pack, trace=trace)
        if scored is not None:
            return scored
        self._refuse_hopeless(max(map(len, chain.from_iterable(groups))), trace=trace)
        pieces = split_groups(groups)
        if not pieces:
            return self._run_small(pack, trace=trace)
        logger.warning(
            "Not enough memory to score %s tokens at once; going on in two halves. Outside fp32 this can move the last "
            "bits of a reward.",
            f"{pack.n_tokens:,}",
        )
        placed: dict[int, Scored] = {}
        for piece, places in pieces:
            placed.update(zip(places, self.run(piece, trace=trace), strict=True))
        # Where a group was cut, its prefix was computed more than once: nothing is shared by all.
        return [placed[i] if len(groups) > 1 else replace(placed[i], n_shared=0) for i in range(len(placed))]

    def _refuse_hopeless(self, n_tokens: int, *, trace: bool) -> None:
        """No half is begun where the longest sequence will not fit alone."""
        needed, free = self._estimate(n_tokens, trace=trace, mlp_rows=MLP_ROWS), free_bytes(self._model)
        if needed > free:
            fitting = fitting_tokens(self._model.config, free, self._precision, mlp_rows=MLP_ROWS, trace=trace)
            raise NoRoomError(n_tokens, needed, free, fitting)

    def _run_small(self, pack: Pack, *, trace: bool) -> list[Scored]:
        """A single sequence, with as little memory as can be."""
        logger.warning("Not enough memory for %s tokens; going on with the MLPs in pieces.", f"{pack.n_tokens:,}")
        scored = self._try(pack, trace=trace, mlp_rows=MLP_ROWS)
        if scored is None:
            raise OutOfMemoryError(
                f"Not enough memory to score {pack.n_tokens:,} tokens at once. Shorten the texts or give fewer answers."
            )
        return scored

    def _estimate(self, n_tokens: int, *, trace: bool, mlp_rows: int | None) -> int:
        return estimate_bytes(self._model.config, n_tokens, self._precision, mlp_rows=mlp_rows, trace=trace)

    def _try(self, pack: Pack, *, trace: bool, mlp_rows: int | None = None) -> list[Scored] | None:
        """The results of a pass, or None if it does not fit."""
        if self._estimate(pack.n_tokens, trace=trace, mlp_rows=mlp_rows) > free_bytes(self._model):
            return None
        allowed_s = self._timeout_s + ALLOWANCE_S * pack.n_tokens

        def work() -> tuple[list[float], list[float]] | None:
            return self._compute(pack, trace=trace, mlp_rows=mlp_rows)

        try:
            computed = self._watchdog.run(work, allowed_s)
        except TimeoutError:
            logger.error("A pass over %s tokens has not come back after %.0f s.", f"{pack.n_tokens:,}", allowed_s)  # noqa: TRY400 - no frame of it says why
            raise ScoringTimeoutError(pack.n_tokens, allowed_s) from None
        if computed is None:
            return None
        values, row_values = computed
        if not all(map(math.isfinite, values)):
            raise NonFiniteRewardError(f"The model answered {values}, which is no reward; its weights may be damaged.")
        token_values = [tuple(row_values[at] for at in pack.positions(i)) if trace else () for i in range(len(values))]
        return [Scored(*scored) for scored in zip(values, pack.n_shared, token_values, strict=True)]

    def _compute(self, pack: Pack, *, trace: bool, mlp_rows: int | None) -> tuple[list[float], list[float]] | None:
        """In the watchdog's thread: rewards, and the head's value at every token of the row; None if out of memory."""
        try:
            with ExitStack() as stack:
                stack.enter_context(torch.inference_mode())
                if mlp_rows is not None:
                    stack.enter_context(mlp_in_pieces(self._model, mlp_rows))
                output = self._model(pack=pack.to(self._model.device), trace=trace)
                return output.logits.squeeze(-1).tolist(), output.token_rewards[0].tolist() if trace else []
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            logger.info("Out of memory: %s", error)
        # Only here, where the error and with it the frames of the pass are gone, is their memory free.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


@contextmanager
def mlp_in_pieces(model: INFORMForSequenceClassification, n_rows: int) -> Iterator[None]:
    """Every MLP takes `n_rows` tokens at a time: its inner layer, the widest of all, is never there for a whole row."""
    mlps = [layer.mlp for layer in model.model.layers]

    def in_pieces(forward: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda hidden_BTH: torch.cat([forward(part) for part in hidden_BTH.split(n_rows, dim=1)], dim=1)

    # accelerate puts a forward of its own on a module that it moved; that one has to be there again afterwards.
    replaced = [mlp.__dict__.get("forward") for mlp in mlps]
    for mlp in mlps:
        mlp.forward = in_pieces(mlp.forward)
    try:
        yield
    finally:
        for mlp, forward in zip(mlps, replaced, strict=True):
            if forward is None:
                del mlp.forward
            else:
                mlp.forward = forward

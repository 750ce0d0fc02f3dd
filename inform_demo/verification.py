"""Does a loaded model give the rewards it should? One example, whose rewards are known, is scored and compared.

For INF-ORM-Llama3.1-70B they are the ones in its model card; for any other checkpoint those that were recorded in its
folder (`inform-demo verify --record`). A folder without a record may hold the 70B model or another of its shape: giving
the card's rewards verifies it, and giving others says nothing. Knows a Scorer and files; no model.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from inform_demo.config import INFORM_70B, ModelConfig
from inform_demo.errors import CheckpointError, ConfigError, ConversationTooLongError
from inform_demo.progress import ProgressTracker
from inform_demo.types import Scorer, Verification, build_conversations

logger = logging.getLogger(__name__)

# The example of the model card, to the letter.
PROMPT = (
    "Tom has 20 oranges. He gave 5 oranges to his friend Lisa, then he bought 3 more oranges. Finally, he divided "
    "all the oranges equally among himself and his 4 friends. How many oranges does each person get?"
)
RESPONSES = (
    "Tom has 20 oranges. He gave 5 oranges to Lisa. 20 - 5 = 15. Tom now has 15 oranges. Tom bought 3 more "
    "oranges. 15 + 3 = 18. Tom now has 18 oranges. Tom divides the 18 oranges equally among himself and his 4 "
    "friends (a total of 5 people). 18 ÷ 5 = 3.6 oranges. Each person gets 3.6 oranges.",
    "Tom has 20 oranges. He gave 5 oranges to his friend Lisa. 20 - 5 = 15. Tom now has 15 oranges. Tom bought 3 "
    "more oranges. 15 + 3 = 18. Tom now has 18 oranges. Tom divides the 18 oranges equally among his 4 friends "
    "(a total of 4 people). 18 ÷ 4 = 4.5 oranges. Each person gets 4.5 oranges.",
)
PUBLISHED_REWARDS = (4.96875, 2.890625)

# How far a reward may be off. In bf16 other kernels round otherwise: a correct port of the 70B model is within 0.1 on a
# GPU. The embedded model, which quantisation hurts more than a large one, is off by 0.04 in fp32, 0.14 in int8 and 0.26
# in nf4, and an earlier one by 0.9 (`inform-demo verify --precision ...`): there a pass excludes gross mistakes only.
TOLERANCES = {"bf16": 0.1, "fp32": 0.1, "int8": 0.5, "nf4": 1.5}

RECORD = "golden.json"


def known_rewards(config: ModelConfig) -> tuple[tuple[float, float], str, float] | None:
    """The rewards that the model of `config` has to give; None where nobody has said.

    Returns:
        The rewards, where they come from, and how far the precision that they were given in may have moved them.

    Raises:
        CheckpointError: there is a record, and it is broken.
    """
    if config.source == INFORM_70B:
        return PUBLISHED_REWARDS, f"the model card of {INFORM_70B}", TOLERANCES["bf16"]
    record = Path(config.source) / RECORD
    if not record.is_file():
        return None
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
        first, second = value["rewards"]
        return (float(first), float(second)), RECORD, TOLERANCES[value.get("precision", "bf16")]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{record} must hold two rewards and a precision; it cannot be read: {error!r}."
        ) from error


def verify(scorer: Scorer, config: ModelConfig) -> Verification | None:
    """Score the example and compare; None where no rewards are known for this model."""
    known = known_rewards(config)
    if known is None:
        return _verify_by_shape(scorer, config)
    expected, reference, tolerance = known
    tolerance = max(tolerance, TOLERANCES[scorer.report.precision])
    return Verification(expected, tolerance, score_example(scorer), reference)


def _verify_by_shape(scorer: Scorer, config: ModelConfig) -> Verification | None:
    """A pass or nothing, for a folder that may hold the published model."""
    if not _has_published_shape(Path(config.source)):
        return None
    # The narrow tolerance whatever the precision: within that of nf4, many a model of this shape would pass.
    reference = f"the model card of {INFORM_70B}, whose shape it has"
    checked = Verification(PUBLISHED_REWARDS, TOLERANCES["bf16"], score_example(scorer), reference)
    if checked.passed:
        return checked
    logger.warning(
        "%s has the shape of %s and gives %s on the known example, where that one gives %s. For another model that is "
        "no fault; `inform-demo verify --model %s --record` writes its own rewards down.",
        *(config.source, INFORM_70B, checked.rewards, PUBLISHED_REWARDS, config.source),
    )
    return None


def _has_published_shape(folder: Path) -> bool:
    from inform_demo.checkpoint import PUBLISHED_70B  # here, as below: it imports torch

    try:
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and all(fields.get(name) == value for name, value in PUBLISHED_70B.items())


def load_verified_scorer(config: ModelConfig, tie_band: float, tracker: ProgressTracker | None = None) -> Scorer:
    """Load a scorer whose report says whether it gives the rewards known for it.

    The example is scored as a visitor's comparison is, so that what a first pass alone pays for (kernels that are
    chosen, compiled or loaded) is paid before anyone waits for it.

    Raises:
        InformError: it could not be loaded, or could not score the example.
    """
    from inform_demo.loading import load_model  # here, because the page imports this and is up before torch is
    from inform_demo.scoring import RewardScorer

    tracker = tracker or ProgressTracker()
    scorer = RewardScorer(*load_model(config, tracker), tie_band, config.forward_timeout_s)
    tracker.begin("warming_up")
    try:
        verification = verify(scorer, config)
        if verification is None:
            score_example(scorer)
        scorer.note_verification(verification)
    except ConversationTooLongError as error:
        logger.warning("The model was neither warmed up nor verified: the example is over the limit. %s", error)
    return scorer


def record_rewards(scorer: Scorer, config: ModelConfig) -> Path:
    """Write the rewards that the model gives now into its folder, for later verifications; returns the file.

    Raises:
        ConfigError: the model is no local folder, or was not named: what ships keeps the record that it came with.
    """
    folder = Path(config.source)
    if config.model is None:
        raise ConfigError(f"--record writes into the model's folder; name it by --model (this one is {folder}).")
    if not folder.is_dir():
        raise ConfigError(f"--record needs a model in a local folder; got {config.source!r}.")
    report = scorer.report
    record: dict[str, Any] = {
        "rewards": score_example(scorer),
        "precision": report.precision,
        "device": report.placement,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return folder / RECORD


def describe(verification: Verification, model: str, precision: str) -> str:
    """A verification as lines for a terminal."""
    rows = zip("AB", verification.expected, verification.rewards, strict=True)
    return "\n".join(
        [
            f"{model} in {precision}: {'passed' if verification.passed else 'FAILED'}",
            *(f"  {name} {got:+9.5f}   expected {due:+9.5f}   off by {abs(got - due):.5f}" for name, due, got in rows),
            f"  each may be off by {verification.tolerance}; expected rewards from {verification.reference}",
        ]
    )


def score_example(scorer: Scorer) -> tuple[float, float]:
    """Both rewards, by the pass that the page makes; they are those of `compare` to the bit."""
    comparison, _, _ = scorer.trace_conversations(*build_conversations(PROMPT, RESPONSES))
    return comparison.reward_a, comparison.reward_b

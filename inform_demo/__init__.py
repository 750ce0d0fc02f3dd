"""inform_demo: a reward model compares two answers to one prompt, from Python, the shell and a web page.

    from inform_demo import load_scorer

    scorer = load_scorer()
    print(scorer.compare("What is 2 + 2?", "4", "5").preferred)

The main path: app.py -> ui/layout -> ui/handlers -> scoring -> chat + modeling. Importing this package imports no
torch; `load_scorer` does, when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inform_demo.errors import InformError
from inform_demo.types import Comparison, Conversation, Message, Reward

if TYPE_CHECKING:
    from inform_demo.config import PrecisionChoice
    from inform_demo.scoring import RewardScorer

__version__ = "0.1.0"

__all__ = ["Comparison", "Conversation", "InformError", "Message", "Reward", "__version__", "load_scorer"]


def load_scorer(model: str | None = None, precision: PrecisionChoice = "auto") -> RewardScorer:
    """Load a reward model and return what scores with it.

    Args:
        model: a local folder or a hub id; None takes `INFORM_MODEL`, else the embedded demonstration model.
        precision: "auto", "bf16", "fp32", "int8" or "nf4".

    Returns:
        A scorer with `.score(conversations)` and `.compare(prompt, response_a, response_b, system=None)`.

    Raises:
        LoadError: the checkpoint is missing, broken or foreign, or does not fit; the message says what to do.
        ConfigError: a setting is not possible.
    """
    from inform_demo.config import ModelConfig
    from inform_demo.scoring import RewardScorer

    return RewardScorer.load(ModelConfig.from_env(model=model, precision=None if precision == "auto" else precision))

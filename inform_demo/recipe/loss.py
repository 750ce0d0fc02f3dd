"""The scaled Bradley-Terry loss, and the two that it is compared with.

Knows rewards and weights only. Shape suffix: P pairs.
Source: HelpSteer2-Preference (arXiv 2410.01257), which the model card of INF-ORM cites. The card's text has
`log(sigmoid(r_c) - sigmoid(r_r))`, a slip: undefined for r_c <= r_r, and corrected in the card's later revision.
The margin loss is Llama 2's (arXiv 2307.09288), as HelpSteer2-Preference compares it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn.functional import logsigmoid

Loss = Literal["scaled_bt", "bt", "margin_bt"]

# The loss weight of each magnitude label. Labels 1, 2, 3 become 1, 3, 10: the card credits this remap for its gain.
MAGNITUDE_WEIGHTS: dict[int, float] = {1: 1.0, 2: 3.0, 3: 10.0}


def preference_loss(
    chosen_P: torch.Tensor,
    rejected_P: torch.Tensor,
    weight_P: torch.Tensor,
    *,
    loss: Loss = "scaled_bt",
    loss_scale: float = 1.0,
    center_coefficient: float = 0.0,
) -> torch.Tensor:
    """How far the rewards are from the preferences, over all pairs, in float32.

    Args:
        chosen_P: rewards of the better answers, (P,).
        rejected_P: rewards of the worse answers, (P,).
        weight_P: what each pair's magnitude counts, (P,); see MAGNITUDE_WEIGHTS.
        loss: with m = chosen - rejected and w = weight,
            "scaled_bt" is mean(-w log sigmoid(m)),
            "bt" is mean(-log sigmoid(m)), blind to magnitudes,
            "margin_bt" is mean(-log sigmoid(m - w)), which asks for a margin of w.
        loss_scale: a factor before it; alpha of the card, where its value is not published.
        center_coefficient: adds `coefficient * mean(r^2)` over both answers. These losses are blind to a common shift
            of all rewards; a small coefficient keeps them near zero.

    Returns:
        A scalar in float32.
    """
    chosen_P, rejected_P, weight_P = chosen_P.float(), rejected_P.float(), weight_P.float()
    margin_P = chosen_P - rejected_P
    if loss == "margin_bt":
        margin_P = margin_P - weight_P
    cost_P = -logsigmoid(margin_P)
    if loss == "scaled_bt":
        cost_P = weight_P * cost_P
    total = loss_scale * cost_P.mean()
    if center_coefficient:
        total = total + center_coefficient * torch.cat((chosen_P, rejected_P)).square().mean()
    return total

"""The scaled Bradley-Terry loss.

Knows rewards and weights only. Shape suffix: P pairs.
Source: HelpSteer2-Preference (arXiv 2410.01257), which the model card of INF-ORM cites. The card's text has
`log(sigmoid(r_c) - sigmoid(r_r))`, a slip: undefined for r_c <= r_r, and corrected in the card's later revision.
"""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid

# The loss weight of each magnitude label. Labels 1, 2, 3 become 1, 3, 10: the card credits this remap for its gain.
MAGNITUDE_WEIGHTS: dict[int, float] = {1: 1.0, 2: 3.0, 3: 10.0}


def scaled_bt_loss(
    chosen_P: torch.Tensor,
    rejected_P: torch.Tensor,
    magnitude_weight_P: torch.Tensor,
    loss_scale: float = 1.0,
    center_coefficient: float = 0.0,
) -> torch.Tensor:
    """mean(-loss_scale * weight * log(sigmoid(chosen - rejected))), in float32.

    Args:
        chosen_P, rejected_P: rewards of the better and the worse answers, (P,). magnitude_weight_P: loss weights,
        (P,); see MAGNITUDE_WEIGHTS. loss_scale: alpha of the card, where its value is not published.
        center_coefficient: adds `coefficient * mean(r^2)` over both answers. The Bradley-Terry loss is blind to a
        common
            shift of all rewards; a small coefficient keeps them near zero.

    Returns:
        A scalar in float32.
    """
    chosen_P, rejected_P = chosen_P.float(), rejected_P.float()
    loss = (-loss_scale * magnitude_weight_P.float() * logsigmoid(chosen_P - rejected_P)).mean()
    if center_coefficient:
        loss = loss + center_coefficient * torch.cat((chosen_P, rejected_P)).square().mean()
    return loss

"""The losses against arithmetic done by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inform_demo.recipe.loss import MAGNITUDE_WEIGHTS, Loss, preference_loss

CHOSEN = torch.tensor([1.0, 0.0, -2.0])
REJECTED = torch.tensor([0.0, 1.0, -2.0])
WEIGHTS = torch.tensor([1.0, 3.0, 10.0])


def test_against_literals():
    """-log(sigmoid(1)) = 0.3132617, -log(sigmoid(-1)) = 1.3132617, -log(1/2) = 0.6931472."""
    expected = (1 * 0.3132617 + 3 * 1.3132617 + 10 * 0.6931472) / 3
    assert preference_loss(CHOSEN, REJECTED, WEIGHTS).item() == pytest.approx(expected, rel=1e-6)
    assert preference_loss(CHOSEN, REJECTED, WEIGHTS, loss_scale=0.2).item() == pytest.approx(expected / 5, rel=1e-6)
    centred = preference_loss(CHOSEN, REJECTED, WEIGHTS, center_coefficient=0.1).item()
    assert centred == pytest.approx(expected + 0.1 * (1 + 0 + 4 + 0 + 1 + 4) / 6, rel=1e-6)


def test_the_two_it_is_compared_with_against_literals():
    """-log(sigmoid(0)) = 0.6931472, -log(sigmoid(-4)) = 4.0181499, -log(sigmoid(-10)) = 10.0000454."""
    bt = preference_loss(CHOSEN, REJECTED, WEIGHTS, loss="bt").item()
    assert bt == pytest.approx((0.3132617 + 1.3132617 + 0.6931472) / 3, rel=1e-6)
    margin = preference_loss(CHOSEN, REJECTED, WEIGHTS, loss="margin_bt", loss_scale=2).item()
    assert margin == pytest.approx(2 * (0.6931472 + 4.0181499 + 10.0000454) / 3, rel=1e-6)


def test_magnitudes_become_1_3_10():
    assert MAGNITUDE_WEIGHTS == {1: 1, 2: 3, 3: 10}


def test_gradient_is_the_analytic_one():
    chosen, rejected = CHOSEN.clone().requires_grad_(), REJECTED.clone().requires_grad_()
    preference_loss(chosen, rejected, WEIGHTS, loss_scale=0.7).backward()
    triples = zip(CHOSEN.tolist(), REJECTED.tolist(), WEIGHTS.tolist(), strict=True)
    expected = [-0.7 * w / (1 + math.exp(c - r)) / 3 for c, r, w in triples]
    assert chosen.grad.tolist() == pytest.approx(expected, rel=1e-5)
    assert rejected.grad.tolist() == pytest.approx([-g for g in expected], rel=1e-5)


def test_huge_margins_stay_finite():
    loss = preference_loss(torch.tensor([1000.0, -1000.0]), torch.zeros(2), torch.ones(2))
    assert loss.item() == pytest.approx(500)


def test_bf16_rewards_are_computed_in_float32():
    assert preference_loss(CHOSEN.bfloat16(), REJECTED.bfloat16(), WEIGHTS.bfloat16()).dtype == torch.float32


@given(shift=st.floats(-50, 50), loss=st.sampled_from(get_args(Loss)))
def test_a_common_shift_of_all_rewards_changes_nothing(shift, loss):
    plain, shifted = (preference_loss(CHOSEN + by, REJECTED + by, WEIGHTS, loss=loss).item() for by in (0, shift))
    assert shifted == pytest.approx(plain, abs=1e-4)

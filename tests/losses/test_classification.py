import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import sigmoid_focal_loss

from ovdet.losses import sigmoid_focal


def test_by_hand():
    # p = 0.75 and 0.25: both are wrong by 0.25 and cost 0.25^2 * -ln 0.75, times their weights
    logits = torch.tensor([math.log(3), -math.log(3)])
    loss = sigmoid_focal(logits, torch.tensor([1.0, 0.0]), alpha=0.3, gamma=2.0)
    one = 0.25**2 * -math.log(0.75)
    torch.testing.assert_close(loss, torch.tensor([0.3 * one, 0.7 * one]))


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
def test_equals_torchvision(gamma):
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 4, 5) * 4, (torch.rand(3, 4, 5) > 0.7).float()
    expected = sigmoid_focal_loss(logits, targets, alpha=0.3, gamma=gamma)
    torch.testing.assert_close(sigmoid_focal(logits, targets, alpha=0.3, gamma=gamma), expected)


def test_without_alpha_and_gamma_it_is_the_cross_entropy():
    logits, targets = torch.linspace(-9, 9, 7), torch.tensor([0.0, 1, 0, 1, 0, 1, 0])
    expected = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    torch.testing.assert_close(sigmoid_focal(logits, targets, alpha=None, gamma=0.0), expected)


def test_halves_give_full_precision_and_a_finite_gradient():
    logits = torch.tensor([60.0, -60.0, 0.0], dtype=torch.bfloat16, requires_grad=True)
    loss = sigmoid_focal(logits, torch.tensor([0.0, 1, 1]))
    loss.sum().backward()
    assert loss.dtype is torch.float32
    assert torch.isfinite(logits.grad).all()


def test_of_nothing():
    assert sigmoid_focal(torch.zeros(2, 0), torch.zeros(2, 0)).shape == (2, 0)

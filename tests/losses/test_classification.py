import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import sigmoid_focal_loss

from ovdet.losses import PixelCrossEntropy, sigmoid_focal
from ovdet.structures import IGNORED


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


def test_pixels_by_hand():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    labels[0, :2] = IGNORED
    entropies = [
        -logits[b, :, y, x].log_softmax(dim=0)[labels[b, y, x]]
        for b, y, x in (labels != IGNORED).nonzero().tolist()
    ]
    found = PixelCrossEntropy(weight=2.0)(logits, labels)
    torch.testing.assert_close(found, {"loss_pixel": 2 * sum(entropies) / len(entropies)})


def test_classes_that_are_not_asked_for_have_no_share():
    logits, labels = torch.randn(2, 3, 1, 1), torch.tensor([[[0]], [[2]]])
    asked = torch.tensor([[True, True, False], [True, True, True]])
    expected = (
        F.cross_entropy(logits[:1, :2, 0, 0], labels[:1, 0, 0])
        + F.cross_entropy(logits[1:, :, 0, 0], labels[1:, 0, 0])
    ) / 2
    torch.testing.assert_close(PixelCrossEntropy()(logits, labels, asked)["loss_pixel"], expected)


def test_pixels_of_classes_that_are_not_asked_for_teach_nothing():
    logits = torch.randn(3, 3, 1, 2, requires_grad=True)
    labels = torch.tensor([[[0, 2]], [[1, IGNORED]], [[0, 1]]])
    asked = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    expected = (
        F.cross_entropy(logits[:1, :2, 0, 0], labels[:1, 0, 0])
        + F.cross_entropy(logits[1:2, :, 0, 0], labels[1:2, 0, 0])
    ) / 2
    loss = PixelCrossEntropy()(logits, labels, asked)["loss_pixel"]
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[2].any()
    assert PixelCrossEntropy()(logits, labels, asked & False)["loss_pixel"] == 0


def test_no_labelled_pixel_gives_zero_on_the_graph():
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = PixelCrossEntropy()(logits, torch.full((1, 3, 3), IGNORED))["loss_pixel"]
    loss.backward()
    assert loss == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))
    empty = torch.randn(0, 2, 3, 3, requires_grad=True)
    assert PixelCrossEntropy()(empty, torch.zeros(0, 3, 3, dtype=torch.int64))["loss_pixel"] == 0

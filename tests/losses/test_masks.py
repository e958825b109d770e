import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ovdet.losses import dice_loss, pair_dice, pair_focal, sigmoid_focal


def test_dice_by_hand():
    logits = torch.tensor([[60.0, 60, -60, -60]])  # a mask of two pixels
    targets = torch.tensor([[1.0, 0, 1, 0]])
    torch.testing.assert_close(dice_loss(logits, targets), torch.tensor([1 - 3 / 5]))
    torch.testing.assert_close(dice_loss(logits, targets[:, [0, 2, 1, 3]]), torch.tensor([0.0]))


def test_nothing_said_and_nothing_there_is_no_loss():
    nothing = dice_loss(torch.full((1, 3), -90.0), torch.zeros(1, 3))
    torch.testing.assert_close(nothing, torch.zeros(1))


@pytest.mark.parametrize("settings", [{}, {"alpha": None, "gamma": 0.0}])
def test_pairs_are_rows_with_rows(settings):
    logits, targets = torch.randn(4, 9), (torch.rand(3, 9) > 0.5).float()
    focal = pair_focal(logits, targets, **settings)
    dice = pair_dice(logits, targets)
    for q in range(4):
        for m in range(3):
            row, goal = logits[q : q + 1], targets[m : m + 1]
            each = sigmoid_focal(row, goal, **settings).mean()
            torch.testing.assert_close(focal[q, m], each)
            torch.testing.assert_close(dice[q, m], dice_loss(row, goal)[0])


def test_without_focus_it_is_the_cross_entropy():
    logits, targets = torch.randn(1, 9), (torch.rand(1, 9) > 0.5).float()
    found = pair_focal(logits, targets, alpha=None, gamma=0.0)
    torch.testing.assert_close(found[0, 0], binary_cross_entropy_with_logits(logits, targets))


def test_halves_give_full_precision():
    logits, targets = torch.randn(2, 9).bfloat16(), torch.ones(2, 9).bfloat16()
    for found in (dice_loss(logits, targets), pair_dice(logits, targets)):
        assert found.dtype is torch.float32
    assert pair_focal(logits, targets).dtype is torch.float32


def test_no_rows():
    nothing = torch.zeros(0, 9)
    assert dice_loss(nothing, nothing).shape == (0,)
    assert pair_dice(nothing, torch.ones(2, 9)).shape == (0, 2)
    assert pair_focal(torch.zeros(2, 9), nothing).shape == (2, 0)

import pytest
import torch
from torchvision.ops import generalized_box_iou

from ovdet.losses import giou_loss, l1_loss


def boxes(count, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 50
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 40 + 1], dim=1)


def test_giou_by_hand():
    given = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    other = torch.tensor([[0.0, 0, 2, 2], [3, 0, 4, 2], [1, 0, 3, 2]])
    # The same; a gap of 2 in a hull of 8; 2 / 6 without a gap.
    torch.testing.assert_close(giou_loss(given, other), torch.tensor([0.0, 1.25, 2 / 3]))


def test_giou_equals_torchvision():
    first, second = boxes(40, 0), boxes(40, 1)
    expected = 1 - generalized_box_iou(first, second).diag()
    torch.testing.assert_close(giou_loss(first, second), expected)


@pytest.mark.parametrize("loss", [giou_loss, lambda a, b: l1_loss(a, b, torch.tensor([9, 9]))])
def test_boxes_without_extent_have_a_finite_gradient(loss):
    given = torch.tensor([[3.0, 3, 3, 3]], requires_grad=True)
    value = loss(given, torch.tensor([[3.0, 3, 3, 3]]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(given.grad).all()


def test_l1_by_hand():
    given, wanted = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[10.0, 0, 30, 10]])
    # Centre 5 -> 20 and side 10 -> 20 of 100 px; nothing moves in height.
    torch.testing.assert_close(
        l1_loss(given, wanted, torch.tensor([100, 50])), torch.tensor([0.25])
    )


def test_of_nothing():
    assert giou_loss(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0,)
    assert l1_loss(torch.zeros(0, 4), torch.zeros(0, 4), torch.ones(2)).shape == (0,)

import pytest
import torch
import torch.nn.functional as F

from ovdet.heads import CosinePixelHead
from ovdet.structures import Text

IMAGES = torch.zeros(2, 3, 16, 16)


def text(count=3, dim=4):
    return Text(F.normalize(torch.randn(count, dim), dim=1))


@pytest.mark.parametrize("unit", [True, False])
def test_by_hand(unit):
    torch.manual_seed(0)
    levels = [torch.randn(2, 5, 4, 4), torch.randn(2, 4, 3, 2)]
    words = text()
    logits = CosinePixelHead(scale=7.0, unit=unit)(levels, words, IMAGES)
    assert logits.shape == (2, 3, 3, 2)
    for image in range(2):
        for row in range(3):
            place = levels[-1][image, :, row, 1]
            place = place / place.norm() if unit else place
            for name in range(3):
                expected = 7 * place @ words.classes[name]
                torch.testing.assert_close(logits[image, name, row, 1], expected)


def test_a_level_is_projected_and_learns():
    head = CosinePixelHead(level=0, project=(5, 4))
    head([torch.randn(2, 5, 4, 4), None], text(), IMAGES).sum().backward()
    assert head.project.weight.grad.abs().sum() > 0


def test_cosines_are_taken_in_full_precision():
    head = CosinePixelHead(scale=100.0)
    level = torch.randn(1, 4, 2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head([level], text(), IMAGES)
    assert logits.dtype == torch.float32
    assert head([level.bfloat16()], text(), IMAGES).dtype == torch.float32


def test_one_class_and_no_picture():
    head = CosinePixelHead()
    assert head([torch.randn(0, 4, 2, 2)], text(), IMAGES[:0]).shape == (0, 3, 2, 2)
    assert head([torch.randn(1, 4, 2, 2)], text(1), IMAGES[:1]).shape == (1, 1, 2, 2)


def test_the_scale_is_positive():
    with pytest.raises(ValueError, match="scale must be positive, got 0"):
        CosinePixelHead(scale=0)

import pytest
import torch
from torch import nn

from ovdet.ops import unit_norm
from ovdet.structures import Regions
from ovdet.vision import CropTeacher


class MeanColour(nn.Module):
    """An encoder one can compute by hand: a crop's mean colour, unit norm."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, crops):
        return unit_norm(crops.mean(dim=(2, 3)) * self.gain)


def picture():
    """A red square of 16 px, its lower right corner at the middle of a green picture."""
    image = torch.zeros(3, 32, 32)
    image[1] = 1
    image[:, 8:16, 8:16] = torch.tensor([1.0, 0, 0])[:, None, None]
    return image


def regions(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Regions(boxes, torch.zeros(len(boxes), dtype=torch.int64))


def test_the_teacher_by_hand():
    seen = CropTeacher(MeanColour(), crop_size=8)(picture()[None], regions([[8, 8, 16, 16]]))
    tight = torch.tensor([1.0, 0, 0])
    # The crop of 12 px holds 64 red of 144 px: mean colour (64, 80, 0) / 144.
    wide = unit_norm(torch.tensor([64.0, 80, 0]))
    torch.testing.assert_close(seen[0], unit_norm(tight + wide), atol=0.02, rtol=0)


def test_without_context_only_the_object_is_seen():
    teacher = CropTeacher(MeanColour(), crop_size=8, context=1.0)
    seen = teacher(picture()[None], regions([[8, 8, 16, 16]]))
    torch.testing.assert_close(seen, torch.tensor([[1.0, 0, 0]]))


@pytest.mark.parametrize("chunk", [1, 2, 256])
def test_chunks_change_nothing(chunk):
    boxes = regions([[0, 0, 9, 9], [4, 4, 20, 30], [8, 8, 16, 16]])
    whole = CropTeacher(MeanColour(), crop_size=8)(picture()[None], boxes)
    parts = CropTeacher(MeanColour(), crop_size=8, chunk=chunk)(picture()[None], boxes)
    torch.testing.assert_close(parts, whole)


def test_the_teacher_sees_nothing_in_nothing():
    assert CropTeacher(MeanColour(), crop_size=8)(picture()[None], Regions.empty()).shape == (0, 3)


def test_the_teacher_never_learns():
    teacher = CropTeacher(MeanColour(), crop_size=8).train()
    seen = teacher(picture()[None], regions([[0, 0, 9, 9]]))
    assert not seen.requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())


def test_context_is_at_least_the_box():
    with pytest.raises(ValueError, match=r"context must be >= 1 .* got 0\.5"):
        CropTeacher(MeanColour(), context=0.5)


def test_a_filter_that_is_none():
    with pytest.raises(ValueError, match=r"resample must be None or one of .* got 'nearest'"):
        CropTeacher(MeanColour(), resample="nearest")


@pytest.mark.parametrize("resample", [None, "bilinear", "bicubic"])
def test_both_ways_of_cutting_see_the_same_in_whole_pixels(resample):
    boxes = regions([[4, 4, 12, 12], [8, 8, 16, 16]])
    teacher = CropTeacher(MeanColour(), crop_size=8, context=1.0, resample=resample)
    seen = teacher(picture()[None], boxes)
    half = unit_norm(torch.tensor([16.0, 48, 0]))  # a quarter of the first box is red
    torch.testing.assert_close(seen, torch.stack([half, torch.tensor([1.0, 0, 0])]))


def test_the_ratio_is_kept_by_looking_wider():
    """The square about a flat box of 16 x 8 px is 16 x 16 px: an object in it is not squeezed."""
    flat = regions([[4, 8, 20, 16]])
    teacher = CropTeacher(MeanColour(), crop_size=16, context=1.0, keep_ratio=True)
    seen = teacher(picture()[None], flat)
    # 64 of 256 px are red.
    torch.testing.assert_close(seen[0], unit_norm(torch.tensor([64.0, 192, 0])))

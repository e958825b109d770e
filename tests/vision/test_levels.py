import pytest
import torch

from ovdet.vision import CoarserLevels, LastLevels, MergedLevels, PyramidTrunk, SmallTrunk


def test_the_coarsest_levels_are_kept():
    trunk = SmallTrunk((4, 6, 8, 10)).eval()
    part = LastLevels(trunk, count=2)
    images = torch.rand(1, 3, 33, 47)
    kept, every = part(images), trunk(images)
    assert part.widths == (8, 10)
    assert all(torch.equal(a, b) for a, b in zip(kept, every[1:], strict=True))


def test_no_more_than_there_are():
    with pytest.raises(ValueError, match="must be 1 to 3 levels, got 4"):
        LastLevels(SmallTrunk((4, 6, 8, 10)), count=4)


def test_coarser_levels_are_added():
    pyramid = PyramidTrunk(SmallTrunk((4, 6, 8)), width=5).eval()
    part = CoarserLevels(pyramid, count=2)
    images = torch.rand(1, 3, 64, 64)
    levels = part(images)
    assert [level.shape[1:] for level in levels] == [(5, 16, 16), (5, 8, 8), (5, 4, 4), (5, 2, 2)]
    assert torch.equal(levels[1], pyramid(images)[1])
    torch.testing.assert_close(levels[2], part.steps[0](levels[1]))
    torch.testing.assert_close(levels[3], part.steps[1](levels[2].clamp(min=0)))


def test_levels_are_merged_on_the_finest_grid():
    class Pyramid(torch.nn.Module):
        width = 2

        def forward(self, images):
            return [images[:, :2], images[:, :2, ::2, ::2] * 0 + 3.0]

    images = torch.rand(1, 3, 8, 12)
    (merged,) = MergedLevels(Pyramid())(images)
    torch.testing.assert_close(merged, (images[:, :2] + 3) / 2)
    assert MergedLevels(Pyramid()).width == 2

import pytest
import torch

from ovdet.vision import LastLevels, SmallTrunk


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

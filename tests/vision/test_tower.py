import pytest
import torch
from torch import nn

from ovdet.vision import SmallTrunk, TowerPyramid


class Readout(nn.Module):
    """A tower of one level, and a dense readout of another width behind it, as a ViT has."""

    widths = (6,)

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 16, 16)
        self.project = nn.Conv2d(6, 10, 1)

    def forward(self, images):
        patches = self.patches(images)
        return [patches, self.project(patches)]


def test_the_towers_own_last_level_follows_the_pyramid():
    tower = SmallTrunk((4, 8, 12, 16))
    trunk = TowerPyramid(tower, width=5).eval()
    images = torch.rand(2, 3, 64, 96)
    levels = trunk(images)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (5, 16, 24),
        (5, 8, 12),
        (5, 4, 6),
        (16, 4, 6),
    ]
    torch.testing.assert_close(levels[-1], tower(images)[-1])


def test_a_coarser_level_comes_before_the_towers_own():
    levels = TowerPyramid(SmallTrunk((4, 8, 12)), width=5, extra=True)(torch.rand(1, 3, 64, 64))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (5, 16, 16),
        (5, 8, 8),
        (5, 4, 4),
        (12, 8, 8),
    ]


def test_a_dense_readout_is_passed_on_and_not_read():
    trunk = TowerPyramid(Readout(), width=5)
    images = torch.rand(1, 3, 32, 48)
    levels = trunk(images)
    assert [tuple(level.shape[1:]) for level in levels] == [(5, 2, 3), (10, 2, 3)]
    torch.testing.assert_close(levels[-1], trunk.trunk(images)[-1])


def test_only_the_pyramid_learns_and_the_norms_keep_their_statistics():
    trunk = TowerPyramid(SmallTrunk((4, 8, 12)), width=5).train()
    before = {name: value.clone() for name, value in trunk.trunk.state_dict().items()}
    levels = trunk(torch.rand(2, 3, 32, 32))
    assert not levels[-1].requires_grad
    sum(level.sum() for level in levels[:-1]).backward()
    assert all(p.grad is not None for p in trunk.pyramid.parameters())
    assert not any(p.requires_grad for p in trunk.trunk.parameters())
    after = trunk.trunk.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("count", [0, 1])
def test_no_picture_and_one(count):
    levels = TowerPyramid(SmallTrunk((4, 8, 12)), width=5).eval()(torch.rand(count, 3, 32, 32))
    assert [level.shape[0] for level in levels] == [count] * 3

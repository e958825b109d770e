import torch

from ovdet.vision import PyramidTrunk, SmallTrunk


def test_every_level_has_one_width():
    levels = PyramidTrunk(SmallTrunk((4, 8, 12, 16)), width=10).eval()(torch.rand(1, 3, 64, 48))
    assert [tuple(level.shape[1:]) for level in levels] == [(10, 16, 12), (10, 8, 6), (10, 4, 3)]


def test_one_level_more():
    trunk = PyramidTrunk(SmallTrunk((4, 8, 12)), width=10, extra=True).eval()
    levels = trunk(torch.rand(1, 3, 64, 64))
    assert [level.shape[-1] for level in levels] == [16, 8, 4]


def test_coarse_levels_reach_fine_ones():
    trunk = PyramidTrunk(SmallTrunk((4, 8, 12)), width=10)
    trunk(torch.rand(2, 3, 32, 32))[0].sum().backward()
    assert trunk.pyramid.inner_blocks[1][0].weight.grad.abs().sum() > 0

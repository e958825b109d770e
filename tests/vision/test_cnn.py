import math

import pytest
import torch

from ovdet.vision import SmallImageEncoder, SmallTrunk, WeightedPool


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 97), (33, 40)])
def test_levels_halve_and_round_up(height, width):
    trunk = SmallTrunk((4, 8, 12, 16)).eval()
    levels = trunk(torch.rand(2, 3, height, width))
    assert trunk.widths == (8, 12, 16)
    for level, channels, stride in zip(levels, trunk.widths, (4, 8, 16), strict=True):
        assert level.shape == (2, channels, -(-height // stride), -(-width // stride))


def test_blocks_add_depth_not_levels():
    shallow, deep = SmallTrunk((4, 8, 12)), SmallTrunk((4, 8, 12), blocks=3)
    assert len(deep(torch.rand(2, 3, 32, 32))) == len(shallow(torch.rand(2, 3, 32, 32))) == 2
    assert sum(p.numel() for p in deep.parameters()) > sum(p.numel() for p in shallow.parameters())


def encoder():
    torch.manual_seed(0)
    return SmallImageEncoder(SmallTrunk((4, 8, 12)), dim=6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_embeddings_have_unit_norm(dtype):
    part = encoder().to(dtype).eval()
    embeddings = part(torch.rand(3, 3, 40, 24, dtype=dtype))
    assert embeddings.shape == (3, 6)
    assert embeddings.dtype == dtype
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3, dtype=dtype))


def test_no_picture_no_embedding():
    assert encoder().eval()(torch.zeros(0, 3, 32, 32)).shape == (0, 6)


def test_pictures_are_told_apart():
    part = encoder().eval()
    black, white = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    assert (part(black) * part(white)).sum() < 0.999


def test_the_pooling_on_its_own_is_the_encoders():
    whole = encoder().eval()
    pool = WeightedPool(12, dim=6)
    shared = {k: v for k, v in whole.state_dict().items() if not k.startswith("trunk.")}
    pool.load_state_dict(shared)  # the same names
    images = torch.rand(3, 3, 40, 24)
    assert torch.equal(pool(whole.trunk(images)[-1]), whole(images))


def test_the_pooling_by_hand():
    pool = WeightedPool(2, dim=2)
    with torch.no_grad():
        pool.weigh.weight.copy_(torch.tensor([1.0, 0]).view(1, 2, 1, 1))
        pool.weigh.bias.fill_(7.0)  # a softmax does not see it
        pool.project.weight.copy_(torch.eye(2))
        pool.project.bias.zero_()
    features = torch.tensor([[[[0.0, math.log(3)]], [[4.0, 8.0]]]])  # [1, 2, 1, 2]
    mean = torch.tensor([[0.75 * math.log(3), 0.25 * 4 + 0.75 * 8]])  # weights 1 / 4 and 3 / 4
    torch.testing.assert_close(pool(features), mean / mean.norm())


def test_no_map_no_embedding():
    assert WeightedPool(12, dim=6)(torch.zeros(0, 12, 4, 4)).shape == (0, 6)

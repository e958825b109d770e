import pytest
import torch

from ovdet.vision import SmallImageEncoder, SmallTrunk


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

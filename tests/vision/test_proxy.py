"""Attention of another encoder, one place at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.vision import ClipVit, ClipVitShape, Frozen, ProxyTower, SmallVit
from ovdet.vision.proxy import proxy_attention


class Proxy(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images):
        return [self.conv(images)]


def towers():
    torch.manual_seed(0)
    shape = ClipVitShape(patch=8, width=8, layers=2, heads=2, dim=5, grid=2)
    return [ClipVit(shape).eval(), SmallVit(dim=5, width=8, layers=2, heads=2, stem=(4, 4)).eval()]


def test_attention_by_hand():
    torch.manual_seed(0)
    features = torch.randn(2, 6, 2, 3)
    found = proxy_attention(features, 3.0, 1.2)
    for image in range(2):
        places = [features[image, :, p // 3, p % 3] for p in range(6)]
        alike = torch.tensor([[(a @ b) / (a.norm() * b.norm()) for b in places] for a in places])
        for row in range(6):
            terms = 3 * (alike[row] - 1.2 * alike.mean())
            weights = torch.where(terms < 0, 0, terms.exp())
            torch.testing.assert_close(found[image, row], weights / weights.sum())


def test_places_that_are_all_alike_still_see_themselves():
    found = proxy_attention(torch.ones(1, 4, 2, 2), 3.0, 1.2)
    torch.testing.assert_close(found, torch.eye(4)[None])
    assert proxy_attention(torch.ones(0, 4, 2, 2), 3.0, 1.2).shape == (0, 4, 4)


@torch.no_grad()
@pytest.mark.parametrize("index", [0, 1])
def test_values_are_mixed_on_the_proxys_grid(index):
    tower = towers()[index]
    model = ProxyTower(tower, Proxy()).eval()
    images = torch.rand(2, 3, 16, 24)
    (level,) = model(images)
    assert level.shape == (2, 5, 4, 6)
    tokens, grid = tower.before_last(images)
    block = tower.resblocks[-1]
    packed = block.ln_1(tokens) @ block.attn.in_proj_weight[16:].T + block.attn.in_proj_bias[16:]
    values = packed[:, 1:].mT.reshape(2, 8, *grid)
    values = F.interpolate(values, (4, 6), mode="bilinear", align_corners=False).flatten(2).mT
    attention = proxy_attention(model.proxy.module.conv(images), 3.0, 1.2)
    read = tower.project(block.attn.out_proj(attention @ values))
    expected = F.normalize(read, dim=-1).mT.reshape(2, 5, 4, 6)
    torch.testing.assert_close(level, expected, atol=1e-5, rtol=1e-4)


def test_the_proxy_is_frozen():
    model = ProxyTower(towers()[1], Proxy())
    model(torch.rand(1, 3, 16, 16))[0].sum().backward()
    assert isinstance(model.proxy, Frozen)
    assert all(p.grad is None for p in model.proxy.parameters())
    assert model.stride == 8
    with pytest.raises(ValueError, match="sharpness must be positive, got 0"):
        ProxyTower(towers()[0], Proxy(), sharpness=0)

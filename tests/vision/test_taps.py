"""A ViT read at several depths: against its blocks run by hand."""

import pytest
import torch
from torch import nn

from ovdet.vision import ClipVit, ClipVitShape, PixelNorm, SmallVit, VitTaps


def clip():
    torch.manual_seed(0)
    return ClipVit(ClipVitShape(patch=8, width=16, layers=3, heads=2, dim=6, grid=2)).eval()


def small():
    torch.manual_seed(0)
    return SmallVit(dim=6, width=16, layers=3, heads=2, stem=(4, 4), grid=2).eval()


@pytest.mark.parametrize("make", [clip, small])
@torch.no_grad()
def test_taps_are_what_the_blocks_give(make):
    vit = make()
    images = torch.rand(2, 3, 16, 24)
    found = VitTaps(vit, (0, 2)).eval()(images)
    tokens, grid = (vit.tokens if make is clip else vit.first_tokens)(images)
    expected = []
    for block in vit.resblocks:
        tokens = block(tokens)
        expected.append(tokens)
    assert grid == (2, 3)
    assert [tuple(level.shape) for level in found] == [(2, 16, 2, 3)] * 2 + [(2, 16, 1, 1)] * 2
    for level, first, tap in zip(found[:2], found[2:], (expected[0], expected[2]), strict=True):
        torch.testing.assert_close(level[1, :, 1, 2], tap[1, 1 + 1 * 3 + 2])
        torch.testing.assert_close(first[:, :, 0, 0], tap[:, 0])
    last, _ = vit.last_tokens(images)
    torch.testing.assert_close(vit.ln_post(expected[2]), last)


def test_what_no_tap_depends_on_asks_for_no_gradients():
    taps = VitTaps(small(), (1,))
    sum(level.sum() for level in taps(torch.rand(1, 3, 16, 16))).backward()
    for name, parameter in taps.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), name
    assert not taps.vit.resblocks[2].ln_1.weight.requires_grad


def test_a_frozen_tower_looks_alone():
    taps = VitTaps(small(), (0, 1), frozen=True).train()
    assert not any(part.training for part in taps.vit.modules())
    assert not any(p.requires_grad for p in taps.parameters())
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(taps.embed(images), small().embed(images))
    assert (taps.widths, taps.stride, taps.dim) == ((16, 16), 8, 6)


def test_pictures_may_be_centred_in_another_way():
    same = VitTaps(clip(), (0,), pixels=PixelNorm((0.0,) * 3, (1.0,) * 3))
    images = torch.rand(1, 3, 16, 16)
    centred = clip().pixels(images)
    torch.testing.assert_close(same(centred), VitTaps(clip(), (0,))(images))
    assert same.state_dict().keys() == VitTaps(clip(), (0,)).state_dict().keys()
    with pytest.raises(ValueError, match="cannot be replaced in a SmallVit"):
        VitTaps(small(), (0,), pixels=nn.Identity())


@pytest.mark.parametrize("blocks", [(), (1, 0), (0, 3), (-1,), (1, 1)])
def test_blocks_must_be_there(blocks):
    with pytest.raises(ValueError, match="blocks must rise from 0 to 2"):
        VitTaps(small(), blocks)

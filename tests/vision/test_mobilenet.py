import pytest
import torch
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual as ReferenceBlock
from torchvision.models.mobilenetv2 import mobilenet_v2

from ovdet.vision.mobilenet import (
    InvertedResidual,
    MobileNetTrunk,
    RawAndPyramid,
    mobilenet_blocks,
    mobilenet_stem,
)


def convolutions(module):
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def test_the_plan_is_that_of_the_paper():
    ours = nn.Sequential(mobilenet_stem(), mobilenet_blocks(1, 17))
    theirs = mobilenet_v2().features[:18]
    shapes = [[tuple(c.weight.shape) for c in convolutions(part)] for part in (ours, theirs)]
    assert shapes[0] == shapes[1]
    strides = [[c.stride for c in convolutions(part)] for part in (ours, theirs)]
    assert strides[0] == strides[1]


@pytest.mark.parametrize(("inputs", "outputs", "expansion"), [(8, 8, 6), (8, 12, 6), (8, 8, 1)])
def test_a_block_of_stride_one_equals_torchvisions(inputs, outputs, expansion):
    torch.manual_seed(0)
    ours = InvertedResidual(inputs, outputs, expansion=expansion, stride=1)
    theirs = ReferenceBlock(inputs, outputs, 1, expansion, nn.Identity)
    for mine, other in zip(convolutions(ours), convolutions(theirs), strict=True):
        other.weight.data.copy_(mine.weight)
        mine.bias.data.zero_()
    x = torch.randn(2, inputs, 9, 7)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("side", [4, 5])
def test_same_padding_puts_the_odd_pixel_right_and_below(side):
    stem = mobilenet_stem()
    conv = stem[0]
    nn.init.zeros_(conv.bias)
    nn.init.ones_(conv.weight)
    counted = conv(torch.ones(1, 3, side, side))[0, 0] / 3  # source pixels under each window
    # 4 px: windows start at 0 and 2, the last column hangs over; 5 px: at -1, 1, 3.
    per_axis = torch.tensor([3.0, 2.0] if side == 4 else [2.0, 3.0, 2.0])
    torch.testing.assert_close(counted, per_axis[:, None] * per_axis)


def test_levels():
    trunk = MobileNetTrunk()
    levels = trunk(torch.rand(1, 3, 65, 96))
    shapes = [tuple(level.shape[1:]) for level in levels]
    assert shapes == [(32, 9, 12), (96, 5, 6), (96, 3, 3)]
    assert trunk.widths == tuple(channels for channels, _, _ in shapes)


def test_the_coarsest_level_is_the_maximum_of_four_cells():
    _, fine, coarse = MobileNetTrunk()(torch.rand(1, 3, 65, 96))
    torch.testing.assert_close(coarse[..., 1, 2], fine[..., 2:4, 4:6].amax(dim=(2, 3)))
    torch.testing.assert_close(coarse[..., 2, 0], fine[..., 4:, :2].amax(dim=(2, 3)))  # half a row


def test_the_first_blocks_can_rest():
    trunk = MobileNetTrunk(frozen=6)
    assert not any(p.requires_grad for p in trunk.stem.parameters())
    assert not any(p.requires_grad for p in trunk.stages[0].parameters())
    assert all(p.requires_grad for p in trunk.stages[1].parameters())
    assert all(p.requires_grad for p in MobileNetTrunk().parameters())
    assert not any(p.requires_grad for p in MobileNetTrunk(frozen=13).parameters())


@pytest.mark.parametrize("frozen", [-2, 14])
def test_there_are_thirteen_blocks(frozen):
    with pytest.raises(ValueError, match=f"frozen must be -1 to 13, got {frozen}"):
        MobileNetTrunk(frozen=frozen)


def test_the_raw_level_follows_the_pyramid():
    trunk = RawAndPyramid(MobileNetTrunk(), width=16)
    images = torch.rand(1, 3, 64, 64)
    levels = trunk(images)
    assert [level.shape[1] for level in levels] == [16, 16, 16, 32]
    torch.testing.assert_close(levels[-1], trunk.trunk(images)[0])

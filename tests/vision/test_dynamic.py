import torch
import torch.nn.functional as F
from torch import nn

from ovdet.vision import DynamicBlock


def levels():
    torch.manual_seed(1)
    return [torch.randn(2, 16, side, side) for side in (8, 4, 2)]


def block():
    torch.manual_seed(0)
    return DynamicBlock(16, groups=4)


def deformable(part, x, stride):
    """Without offsets and with weights of one half it is a plain convolution, halved."""
    return F.group_norm(F.conv2d(x, part.weight, stride=stride, padding=1) / 2, 4)


def test_before_it_learns_it_is_made_of_plain_convolutions():
    part, given = block(), levels()
    fine, mid, coarse = given
    grown = F.interpolate(coarse, (4, 4), mode="bilinear", align_corners=True)
    parts = [
        deformable(part.same, mid, 1),
        deformable(part.finer, fine, 2),
        deformable(part.coarser, grown, 1),
    ]
    joined = 0
    for one in parts:
        conv = part.weigh[1]
        weight = conv(one.mean(dim=(2, 3), keepdim=True)).clamp(min=0)
        joined = joined + one * ((weight + 3) / 6).clamp(0, 1)
    joined = joined / 3
    first, second = part.task.lines[1], part.task.lines[3]
    lines = second(first(joined.mean(dim=(2, 3), keepdim=True)).relu())
    a1, b1, a2, b2 = (((lines + 3) / 6).clamp(0, 1) - 0.5).chunk(4, dim=1)
    wanted = torch.maximum(joined * (2 * a1 + 1) + b1, joined * 2 * a2 + b2)
    torch.testing.assert_close(part(given)[1], wanted, atol=1e-5, rtol=1e-4)


def test_offsets_move_what_is_read():
    part, given = block(), [levels()[1]]
    with torch.no_grad():
        part.offset.bias[:18:2] = 1.0  # one row further down, at all nine places
    shifted = F.pad(given[0], (0, 0, 0, 1))[:, :, 1:]
    inner = F.conv2d(shifted, part.same.weight, padding=1)[:, :, 1:-1] / 2
    with torch.no_grad():
        offset, weight = part.offset(given[0]).split([18, 9], dim=1)
        part.same.norm = nn.Identity()
        mine = part.same(given[0], offset, weight.sigmoid())[:, :, 1:-1]
    torch.testing.assert_close(mine, inner, atol=1e-5, rtol=1e-4)


def test_every_parameter_learns():
    part = block()
    sum(level.square().sum() for level in part(levels())).backward()
    assert not [name for name, p in part.named_parameters() if p.grad is None]


def test_half_precision_gives_no_nan():
    with torch.autocast("cpu", torch.bfloat16):
        found = block()([level.bfloat16() for level in levels()])
    assert all(torch.isfinite(level).all() for level in found)


def test_one_level_alone():
    assert block()(levels()[:1])[0].shape == (2, 16, 8, 8)

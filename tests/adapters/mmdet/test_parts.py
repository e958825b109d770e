"""Parts of mmdet in configs of ours."""

import pytest
import torch

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from ovdet.adapters import MmdetTrunk
from ovdet.registry import BuildError, build

RESNET = {"type": "mmdet.ResNet", "depth": 18, "base_channels": 8}
FPN = {"type": "mmdet.FPN", "in_channels": [8, 16, 32, 64], "out_channels": 16, "num_outs": 5}


def test_a_neck_of_mmdets_by_name():
    neck = build({**FPN, "norm_cfg": {"type": "BN"}}, "model.neck")
    assert type(neck).__module__ == "mmdet.models.necks.fpn"
    assert type(neck.lateral_convs[0].norm).__name__ == "BatchNorm2d"  # mmdet built what is its own


def test_a_trunk_of_mmdets_parts():
    trunk = build({"type": "MmdetTrunk", "backbone": RESNET, "neck": FPN, "widths": [16] * 5}, "x")
    trunk.eval()
    images = torch.rand(2, 3, 64, 96)
    levels = trunk(images)
    assert [tuple(level.shape) for level in levels[:2]] == [(2, 16, 16, 24), (2, 16, 8, 12)]
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    wanted = trunk.neck(trunk.backbone((images * 255 - mean) / std))
    for level, same in zip(levels, wanted, strict=True):
        torch.testing.assert_close(level, same, atol=1e-4, rtol=1e-4)


def test_a_trunk_without_neck_under_our_pyramid():
    bare = {"type": "MmdetTrunk", "backbone": RESNET, "widths": [8, 16, 32, 64]}
    trunk = build({"type": "PyramidTrunk", "trunk": bare, "width": 4}, "model.trunk")
    assert [level.shape[1] for level in trunk(torch.rand(1, 3, 64, 64))] == [4] * 4


def test_what_is_wrong_is_told_by_its_place():
    with pytest.raises(BuildError, match=r"^m\.neck: unknown type 'mmdet.FPM'; did you mean 'mmd"):
        build({"neck": {"type": "mmdet.FPM"}}, "m")
    with pytest.raises(BuildError, match=r"^m: FPN has no option 'out_channel'; did you mean"):
        build({**FPN, "out_channel": 3}, "m")
    with pytest.raises(BuildError, match=r"^m: FPN needs the key 'num_outs'"):
        build({key: value for key, value in FPN.items() if key != "num_outs"}, "m")
    with pytest.raises(ValueError, match=r"std must be positive, got \[1, 0, 1\]"):
        MmdetTrunk(torch.nn.Identity(), widths=[3], std=[1, 0, 1])

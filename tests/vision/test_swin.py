import math

import pytest
import torch
from torchvision.models import swin_t
from torchvision.models.feature_extraction import create_feature_extractor

from ovdet.structures import InputError
from ovdet.vision import SwinTrunk


def test_as_torchvision_with_the_same_weights():
    torch.manual_seed(0)
    other = swin_t(weights=None).eval()
    part = SwinTrunk().eval()
    part.features.load_state_dict(other.features.state_dict())
    images = torch.rand(1, 3, 64, 96)
    mean, std = (torch.tensor(v)[:, None, None] for v in part_constants())
    nodes = {f"features.{i}": str(i) for i in (3, 5, 7)}
    wanted = create_feature_extractor(other, nodes)((images - mean) / std)
    for found, state in zip(part(images), wanted.values(), strict=True):
        normed = torch.nn.functional.layer_norm(state, state.shape[-1:])
        torch.testing.assert_close(found, normed.permute(0, 3, 1, 2), atol=1e-4, rtol=1e-4)


def part_constants():
    return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def small(**options):
    return SwinTrunk(8, depths=(1, 1, 1, 1), heads=(1, 2, 2, 4), window=4, **options)


@pytest.mark.parametrize("size", [(64, 64), (45, 83)])
def test_strides_and_widths(size):
    part = small(keep=(0, 2)).eval()
    levels = part(torch.rand(2, 3, *size))
    assert part.widths == (8, 32)
    patches = [math.ceil(side / 4) for side in size]
    merged = [math.ceil(math.ceil(side / 2) / 2) for side in patches]
    assert [level.shape for level in levels] == [(2, 8, *patches), (2, 32, *merged)]


def test_every_parameter_learns():
    part = small()
    sum(level.square().sum() for level in part(torch.rand(1, 3, 32, 32))).backward()
    assert not [name for name, p in part.named_parameters() if p.grad is None]


def test_weights_come_from_torchvisions_file(tmp_path):
    torch.manual_seed(0)
    other = swin_t(weights=None)
    file = tmp_path / "swin.pth"
    torch.save(other.state_dict(), file)
    part = SwinTrunk(keep=(0, 1), weights=str(file))
    assert torch.equal(part.features[0][0].weight, other.features[0][0].weight)
    with pytest.raises(InputError, match="is not a Sequential"):
        small(weights=str(file))


def test_a_stage_that_is_not_there():
    with pytest.raises(ValueError, match=r"some of 4 stages, got \[4\]"):
        small(keep=(4,))

"""The ResNet trunk against torchvision's own on the same weights."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.models.feature_extraction import create_feature_extractor

from ovdet.structures import InputError
from ovdet.vision import ResNetTrunk
from ovdet.vision.pixels import IMAGENET_MEAN, IMAGENET_STD

STAGES = ["layer1", "layer2", "layer3", "layer4"]


@pytest.fixture(scope="module")
def reference():
    """A ResNet-18 whose norms say something."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=5).eval()
    for name, value in model.state_dict().items():
        if "bn" in name and value.is_floating_point():
            value.add_(torch.rand_like(value) * 0.5)
    return model


@pytest.fixture(scope="module", params=["pt", "safetensors"])
def file(reference, request, tmp_path_factory):
    path = tmp_path_factory.mktemp("resnet") / f"resnet18.{request.param}"
    (torch.save if request.param == "pt" else save_file)(reference.state_dict(), path)
    return str(path)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["frozen", "batch", "sync"])
@pytest.mark.parametrize("size", [(64, 64), (75, 101)])
def test_levels_are_torchvisions(reference, file, norm, size):
    trunk = ResNetTrunk(18, norm=norm, weights=file).eval()
    images = torch.rand(2, 3, *size)
    mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
    std = torch.tensor(IMAGENET_STD)[:, None, None]
    expected = create_feature_extractor(reference, STAGES)((images - mean) / std)
    levels = trunk(images)
    assert trunk.widths == tuple(level.shape[1] for level in levels)
    for level, stage in zip(levels, STAGES, strict=True):
        torch.testing.assert_close(level, expected[stage], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("depth", "widths"), [(34, (64, 128, 256, 512)), (50, (256, 512, 1024, 2048))]
)
def test_widths_of_other_depths(depth, widths):
    trunk = ResNetTrunk(depth)
    assert trunk.widths == widths
    with torch.no_grad():
        levels = trunk(torch.rand(1, 3, 64, 32))
    assert [level.shape[1:] for level in levels] == [
        (width, 16 // 2**i, 8 // 2**i) for i, width in enumerate(widths)
    ]


@pytest.mark.parametrize(("frozen", "still"), [(-1, 0), (0, 1), (1, 2), (4, 5)])
def test_frozen_stages_keep_weights_and_statistics(frozen, still):
    torch.manual_seed(0)
    trunk = ResNetTrunk(18, norm="batch", frozen=frozen).train()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    images = torch.rand(2, 3, 64, 64, requires_grad=True)
    trunk(images)[-1].square().mean().backward()
    assert images.grad.abs().sum() > 0
    stages = [("conv1.", "bn1."), *((f"{stage}.",) for stage in STAGES)]
    for index, names in enumerate(stages):
        own = {n: p for n, p in trunk.named_parameters() if n.startswith(names)}
        assert own
        assert all((p.grad is None) == (index < still) for p in own.values())
        means = [n for n in before if n.startswith(names) and n.endswith("running_mean")]
        same = [torch.equal(trunk.state_dict()[n], before[n]) for n in means]
        assert same == [index < still] * len(means)


def test_frozen_norms_have_nothing_to_learn():
    trunk = ResNetTrunk(18, norm="frozen", frozen=-1).train()
    assert not [name for name, _ in trunk.named_parameters() if "bn" in name]
    assert {name for name, _ in trunk.named_parameters()} > {"conv1.weight"}


@torch.no_grad()
@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_no_pictures_have_no_features(norm):
    levels = ResNetTrunk(18, norm=norm).eval()(torch.rand(0, 3, 64, 64))
    assert [len(level) for level in levels] == [0, 0, 0, 0]


@torch.no_grad()
def test_half_precision_is_finite(file):
    trunk = ResNetTrunk(18, weights=file).eval().to(torch.bfloat16)
    for level in trunk(torch.rand(1, 3, 64, 64).to(torch.bfloat16)):
        assert torch.isfinite(level).all()


def test_what_does_not_fit_is_told(file):
    with pytest.raises(ValueError, match=r"depth must be one of .* got 20"):
        ResNetTrunk(20)
    with pytest.raises(ValueError, match=r"norm must be one of .* got 'group'"):
        ResNetTrunk(18, norm="group")
    with pytest.raises(ValueError, match="frozen must be -1 to 4, got 5"):
        ResNetTrunk(18, frozen=5)
    with pytest.raises(InputError, match="is not a ResNetTrunk at ''"):
        ResNetTrunk(34, weights=file)

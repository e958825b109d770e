import pytest
import torch
from kernels import DEVICE
from rois import pictures, regions

from ovdet.ops import crop_resize
from ovdet.ops.kernels import crop_resize as kernel

BOXES = [[2.7, 3, 9.2, 11.5], [0, 0, 14, 12], [1, 2, 13, 5], [-3, -3, 2, 2]]
OWNERS = [0, 1, 0, 1]


def reference(images, places, size, **how):
    """Return what the reference makes of pictures in float64, which no kernel takes."""
    whole = images.double() / (255 if images.dtype == torch.uint8 else 1)
    return crop_resize(whole.cpu(), places.to("cpu"), size, **how)


@pytest.mark.parametrize(
    ("size", "resample", "keep_ratio"),
    [(5, "bilinear", True), (5, "bicubic", True), (7, "bicubic", False), (34, "bilinear", False)],
)  # the last is larger than a tile
def test_a_crop_is_the_references(size, resample, keep_ratio, monkeypatch):
    launches, launch = [], kernel.crop
    monkeypatch.setattr(kernel, "crop", lambda *given: launches.append(1) or launch(*given))
    how = {"resample": resample, "keep_ratio": keep_ratio, "fill": 0.5}
    how |= {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    images, places = (pictures(12, 14) / 255).to(DEVICE), regions(BOXES, OWNERS).to(DEVICE)
    found = crop_resize(images, places, size, **how)
    wanted = reference(images, places, size, **how)
    torch.testing.assert_close(found.cpu().double(), wanted, rtol=1e-5, atol=1e-5)
    assert launches == [1]


@pytest.mark.parametrize("resample", ["bilinear", "bicubic"])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float16, torch.bfloat16])
def test_other_types(kind, resample):
    images = pictures(12, 14).to(DEVICE)
    images = images if kind == torch.uint8 else (images / 255).to(kind)
    places = regions(BOXES, OWNERS).to(DEVICE)
    found = crop_resize(images, places, 9, resample=resample)
    wanted = reference(images, places, 9, resample=resample)
    allowed = 0.51 / 255 if kind == torch.uint8 else torch.finfo(kind).eps
    torch.testing.assert_close(found.cpu().double(), wanted, rtol=0, atol=allowed)
    assert found.dtype == (torch.float32 if kind == torch.uint8 else kind)


def test_strides_change_nothing():
    images, places = pictures(12, 14).to(DEVICE), regions(BOXES, OWNERS).to(DEVICE)
    wanted = crop_resize(images, places, 9)
    last = images.contiguous(memory_format=torch.channels_last)
    turned = images.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(crop_resize(last, places, 9), wanted)
    assert torch.equal(crop_resize(turned, places, 9), wanted)


def test_no_region_and_no_image():
    images, places = pictures(12, 14).to(DEVICE), regions(BOXES, [7] * 4).to(DEVICE)
    assert (crop_resize(images, places, 9, fill=0.5) == 0.5).all()
    assert crop_resize(images, places[:0], 9).shape == (0, 3, 9, 9)

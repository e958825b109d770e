import numpy as np
import pytest
import torch
from PIL import Image
from rois import pictures, regions

from ovdet.ops import crop_resize
from ovdet.structures import InputError, Regions

BOXES = [[2.7, 3, 17.2, 21.5], [0, 0, 40, 30], [5, 5, 9, 8], [1, 2, 39, 6]]


def by_pillow(picture, box, extent, resample):
    """Return Pillow's crop of an 8-bit picture [3, H, W], as [3, h, w] in [0, 1]."""
    x1, y1, x2, y2 = box
    whole = Image.fromarray(picture.permute(1, 2, 0).numpy())
    cut = whole.crop((int(x1), int(y1), int(np.ceil(x2)), int(np.ceil(y2))))
    made = np.array(cut.resize(extent, Image.Resampling[resample.upper()]))
    return torch.from_numpy(made).permute(2, 0, 1) / 255


@pytest.mark.parametrize("resample", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [5, 16, 64])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_a_crop_is_pillows(kind, size, resample):
    """Pillow rounds to 8 bits between its passes: off by one, by two where torch rounds as well."""
    images = pictures()
    given = images if kind == torch.uint8 else images / 255
    crops = crop_resize(given, regions(BOXES, [0, 1, 1, 0]), size, resample=resample)
    for crop, box, owner in zip(crops, BOXES, [0, 1, 1, 0], strict=True):
        wanted = by_pillow(images[owner], box, (size, size), resample)
        off = (crop - wanted).abs() * 255
        assert off.max() < (2.1 if kind == torch.uint8 else 1.1)
        assert (off > 1.1).float().mean() < 1e-3


@pytest.mark.parametrize("resample", ["bilinear", "bicubic"])
def test_without_rounding_it_is_pillows_to_the_last_bits(resample):
    picture = torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    filter_ = Image.Resampling[resample.upper()]
    crop = crop_resize(picture, regions([[2.7, 3, 17.2, 21.5]]), 8, resample=resample)[0]
    for plane, source in zip(crop, picture[0, :, 3:22, 2:18], strict=True):
        resized = np.array(Image.fromarray(source.numpy(), "F").resize((8, 8), filter_))
        torch.testing.assert_close(plane, torch.from_numpy(resized).clamp(0, 1))


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_the_ratio_is_kept_in_the_middle(kind):
    images = pictures()
    given = images if kind == torch.uint8 else images / 255
    box = [1, 2, 39, 8]  # 38 x 6 px: 16 x 2.5, rounded up to 3
    crop = crop_resize(given, regions([box]), 16, keep_ratio=True, fill=0.25)[0]
    wanted = by_pillow(images[0], box, (16, 3), "bilinear")
    torch.testing.assert_close(crop[:, 6:9], wanted, rtol=0, atol=1.1 / 255)
    beside = torch.cat([crop[:, :6], crop[:, 9:]], dim=1)
    torch.testing.assert_close(beside, torch.full_like(beside, 0.25))
    slim = crop_resize(given, regions([[7, 0, 8, 30]]), 8, keep_ratio=True)[0]
    assert slim.abs().sum(dim=(0, 1)).nonzero().flatten().tolist() == [3]


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_what_an_encoder_takes_off(kind):
    images = pictures()
    given = images if kind == torch.uint8 else images / 255
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    plain = crop_resize(given, regions(BOXES), 8)
    found = crop_resize(given, regions(BOXES), 8, mean=mean, std=std)
    wanted = (plain - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(found, wanted)
    only = crop_resize(given, regions(BOXES), 8, mean=mean)
    torch.testing.assert_close(only, plain - torch.tensor(mean).view(3, 1, 1))


def test_what_is_cut_lies_inside_its_own_picture():
    images = torch.stack([torch.full((3, 8, 8), value) for value in (0.25, 0.75)])
    boxes = regions([[-3, -3, 2, 2], [7.5, 7.5, 40, 40], [3, 3, 3, 3]], [1, 0, 1])
    assert crop_resize(images, boxes, 4).mean(dim=(1, 2, 3)).tolist() == [0.75, 0.25, 0.75]
    outside = regions([[-9, -9, -3, -3], [90, 90, 99, 99], [6, 6, 2, 2], [torch.nan] * 4])
    assert (crop_resize(images, outside, 4) == 0.25).all()


def test_no_region_no_crop():
    assert crop_resize(pictures(), Regions.empty(), 4).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_layout_change_nothing(threads):
    images, places = pictures(), regions(BOXES * 2)
    wanted = crop_resize(images, places, 8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    last = images.contiguous(memory_format=torch.channels_last)
    doubled = torch.cat([images, images], dim=3)[..., : images.shape[3]]
    assert torch.equal(crop_resize(last, places, 8), wanted)
    assert torch.equal(crop_resize(doubled, places, 8), wanted)
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types(dtype):
    images = (pictures() / 255).to(dtype)
    crops = crop_resize(images, regions(BOXES), 8, resample="bicubic")
    assert crops.dtype == dtype
    wanted = crop_resize(images.float(), regions(BOXES), 8, resample="bicubic")
    torch.testing.assert_close(crops, wanted.to(dtype), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_what_tracers_are_told(kind):
    given = pictures().to(kind)
    places = regions(BOXES)
    arguments = (given, places.boxes, places.owner, 8, "bicubic", True, [0.0, 0, 0, 0, 1, 1, 1])
    torch.library.opcheck(torch.ops.ovdet.crop_resize.default, arguments)


def test_sizes_past_int32_are_known_without_memory():
    images = torch.empty(2, 3, 100, 100, device="meta")
    many = Regions(torch.empty(20_000, 4, device="meta"), torch.empty(20_000, device="meta"))
    assert crop_resize(images, many, 224).numel() > 2**31


@pytest.mark.parametrize(
    ("images", "how", "message"),
    [
        (torch.zeros(3, 8, 8), {}, r"must be \[B, 3, H, W\] of a .* got \[3, 8, 8\]"),
        (torch.zeros(1, 4, 8, 8), {}, r"must be \[B, 3, H, W\] of a .* got \[1, 4, 8, 8\]"),
        (torch.zeros(1, 3, 8, 8).int(), {}, r"floating or 8-bit type, got .* torch.int32"),
        (torch.zeros(1, 3, 8, 8), {"resample": "box"}, "resample must be one of .* got 'box'"),
        (torch.zeros(1, 3, 8, 8), {"mean": (1, 2)}, r"mean must be one number a channel.*\[1.0, 2"),
        (torch.zeros(1, 3, 8, 8), {"std": (1, 0, 1)}, r"std must be positive, got \[1.0, 0.0, 1"),
    ],
)
def test_what_cannot_be_cut(images, how, message):
    with pytest.raises(ValueError, match=message):
        crop_resize(images, Regions.empty(), 4, **how)


def test_an_owner_that_is_no_image():
    with pytest.raises(InputError, match=r"owners must be in \[0, 2\), .* got -1"):
        crop_resize(pictures(), regions([[0, 0, 4, 4]], [-1]), 4)

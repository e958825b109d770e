import io

import numpy as np
import pytest
import torch
from PIL import Image

from ovdet.apis.images import MAX_PIXELS, decode_image, read_image
from ovdet.structures import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def stored(image, kind="PNG", **options):
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def test_a_png_comes_back_as_it_was(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    assert (read_image(path) == RGB).all()
    assert (read_image(str(path)) == RGB).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_exif_orientation_is_obeyed(orientation, kind):
    """The stored pixels are those that the rule of the EXIF standard turns into the upright."""
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # bright in the upper left
    undo = {  # from upright to stored: row 0 and column 0 lie where EXIF 2.3, 4.6.4 says
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = np.ascontiguousarray(undo[orientation](upright))
    read = decode_image(stored(Image.fromarray(lying), kind, exif=exif), "x")
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).max() < 30  # JPEG blurs


def test_a_pillow_image_is_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(io.BytesIO(stored(Image.fromarray(RGB), exif=exif)))
    assert (read_image(image) == np.rot90(RGB, -1)).all()


def test_damaged_exif_does_not_spoil_the_pixels():
    data = stored(Image.fromarray(RGB), exif=b"Exif\0\0II*\0garbage")
    assert (decode_image(data, "x") == RGB).all()


def test_grey_and_black_and_white():
    grey = RGB[:, :, 0]
    assert (decode_image(stored(Image.fromarray(grey)), "x") == grey[:, :, None]).all()
    bits = Image.fromarray(grey > 128)
    assert bits.mode == "1"
    assert (decode_image(stored(bits), "x")[:, :, 1] == (grey > 128) * 255).all()


def test_transparency_lies_over_white():
    clear = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    half = np.dstack([RGB * 0, np.full(RGB.shape[:2], 128, np.uint8)])
    assert (decode_image(stored(Image.fromarray(clear)), "x") == 255).all()
    # Black at 128/255 over white leaves 255 * (1 - 128/255) = 127.
    assert (decode_image(stored(Image.fromarray(half)), "x") == 127).all()
    grey = np.dstack([RGB[:, :, 0], np.zeros(RGB.shape[:2], np.uint8)])
    assert (decode_image(stored(Image.fromarray(grey)), "x") == 255).all()


def test_palette_with_and_without_transparency():
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    assert decode_image(stored(picture), "x").tolist() == [[[255, 0, 0], [0, 0, 255]]]
    clear = stored(picture, transparency=1)
    assert decode_image(clear, "x").tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert decode_image(stored(picture, "GIF"), "x").tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_sixteen_bits_keep_the_upper_byte():
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        read = decode_image(stored(Image.fromarray(deep), kind), "x")
        assert read[0, :, 0].tolist() == [0, 0, 1, 255]
    assert read_image(deep)[0, :, 2].tolist() == [0, 0, 1, 255]
    assert read_image(deep.astype(">u2"))[0, :, 2].tolist() == [0, 0, 1, 255]


def test_float_tiff():
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    for data in (values, values * 255):
        read = decode_image(stored(Image.fromarray(data), "TIFF"), "x")
        assert read[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk():
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    read = decode_image(stored(cyan, "JPEG", quality=100), "x").reshape(-1, 3)
    assert np.abs(read.astype(int) - [0, 255, 255]).max() < 12


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_of_every_depth(channels):
    array = RNG.integers(0, 256, (5, 4, channels), dtype=np.uint8)
    if channels in {2, 4}:
        array[:, :, -1] = 255  # opaque
    colours = array[:, :, : 3 if channels > 2 else 1]
    assert (read_image(array) == colours).all()


def test_floats_bools_and_tensors():
    values = RGB.astype(np.float64) / 255
    assert (read_image(values) == RGB).all()
    assert (read_image(values.astype(np.float32)) == RGB).all()
    tensor = torch.from_numpy(RGB).permute(2, 0, 1)
    assert (read_image(tensor) == RGB).all()
    assert (read_image(tensor / 255) == RGB).all()
    assert (read_image((tensor / 255).bfloat16())[0, 0] - RGB[0, 0].astype(int)).max() < 3
    assert (read_image(tensor[:1]) == RGB[:, :, :1]).all()
    assert (read_image(RGB[:, :, 0] > 99)[:, :, 0] == (RGB[:, :, 0] > 99) * 255).all()


def test_the_result_is_a_copy():
    array = RGB.copy()
    read_image(array)[:] = 7
    assert (array == RGB).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        (np.zeros((3, 0), np.uint8), "at least one pixel"),
        (np.zeros((2, 3, 5), np.uint8), r"\[H, W, C\] with C of 1 to 4, got \[2, 3, 5\]"),
        (np.zeros((3, 8, 8, 3), np.uint8), r"got \[3, 8, 8, 3\]"),
        (np.zeros((2, 2, 3), np.int64), "bool, uint8, uint16 or float, got int64"),
        (np.full((2, 2, 3), 200.0), r"must lie in \[0, 1\], got 200 to 200; divide by 255"),
        (np.full((2, 2, 3), np.nan), r"must lie in \[0, 1\], got nan"),
        (torch.zeros(2, 3, 8, 8), r"\[3, H, W\] or \[1, H, W\], got \[2, 3, 8, 8\]"),
        (torch.zeros(3, 0, 8), "at least one pixel"),
        (Image.new("RGB", (0, 4)), "at least one pixel, got 0 x 4"),
        (7, "must be a path, a Pillow image, an array or a tensor, got int"),
        (None, "got NoneType"),
        ("no/such/file.png", "no/such/file.png: cannot be read: No such file"),
        ("nul\0.png", "cannot be read: embedded null"),
        ("/", "/: cannot be read: Is a directory"),
    ],
)
def test_what_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        read_image(source)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x: is empty"),
        (b"hello, world", "x: is not a picture"),
        (stored(Image.fromarray(RGB))[:60], "x: is truncated or damaged"),
        (stored(Image.fromarray(RGB), "JPEG")[:-30], "x: is truncated or damaged"),
        (b"P6 60000 60000 255\n", "x: is not a readable picture: Image size"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "x: is not a picture"),
    ],
)
def test_bytes_that_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        decode_image(data, "x")


def test_too_many_pixels(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # even for those who lifted Pillow's bound
    with pytest.raises(InputError, match=f"60000 x 60000 pixels, at most {MAX_PIXELS} are read"):
        decode_image(b"P6 60000 60000 255\n", "x")


def test_a_bound_of_ones_own_and_formats_of_ones_choice():
    data = stored(Image.fromarray(RGB))
    assert decode_image(data, "x", most=54).shape == (6, 9, 3)
    with pytest.raises(InputError, match="x: has 9 x 6 pixels, at most 53 are read"):
        decode_image(data, "x", most=53)
    with pytest.raises(InputError, match="x: is not a picture that can be read"):
        decode_image(data, "x", formats=("GIF", "JPEG"))

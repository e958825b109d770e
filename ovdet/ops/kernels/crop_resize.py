"""Crops of regions, resampled with Pillow's filters, all in one launch.

A program makes a tile of one channel of one crop. The weights of the taps follow from where a
pixel of the crop lies, so nothing is prepared and nothing is kept between the two axes.
"""
# ruff: noqa: ANN001, ANN201, ANN202, N803, PLR0913, PLR0917 - a kernel's arguments
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ovdet.ops.kernels import on_device

_ROWS, _COLUMNS = 8, 32  # of a tile, px: what lies together is read together


@triton.jit
def _weigh(distance, CUBIC: tl.constexpr):
    """Return a filter's weight at a distance from its centre: a triangle, or Keys's cubic."""
    d = tl.abs(distance)
    if CUBIC:  # Keys 1981, Eq. 4, a = -1/2
        near = (1.5 * d - 2.5) * d * d + 1.0
        far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
        return tl.where(d < 1.0, near, tl.where(d < 2.0, far, 0.0))
    return tl.maximum(1.0 - d, 0.0)


@triton.jit
def _taps(place, extent, made, CUBIC: tl.constexpr):
    """Return the first and last pixel each place of a crop reads, its centre and the stretch."""
    stretch = extent.to(tl.float32) / made
    centre = (place + 0.5) * stretch
    wide = tl.maximum(stretch, 1.0)
    reach = (2.0 if CUBIC else 1.0) * wide
    first = tl.maximum(centre - reach + 0.5, 0.0).to(tl.int32)
    last = tl.minimum((centre + reach + 0.5).to(tl.int32), extent)
    return first, last, centre, wide, tl.ceil(2.0 * reach).to(tl.int32) + 1


@triton.jit
def crop_kernel(
    out, images, places, owners, fill, mean0, mean1, mean2, std0, std1, std2,
    count, size, by_image, by_channel, by_row, by_column,
    CUBIC: tl.constexpr, EIGHT_BIT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Write ROWS x COLUMNS pixels of one channel of one crop."""
    crop = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1)
    tiles = tl.cdiv(size, COLUMNS)
    row = (tl.program_id(2) // tiles) * ROWS + tl.arange(0, ROWS)[:, None]
    column = (tl.program_id(2) % tiles) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    x1, y1 = tl.load(places + crop * 8), tl.load(places + crop * 8 + 1)
    width = (tl.load(places + crop * 8 + 2) - x1).to(tl.int32)
    height = (tl.load(places + crop * 8 + 3) - y1).to(tl.int32)
    left, top = tl.load(places + crop * 8 + 4), tl.load(places + crop * 8 + 5)
    right, bottom = tl.load(places + crop * 8 + 6), tl.load(places + crop * 8 + 7)
    image = tl.load(owners + crop).to(tl.int64)
    known = (image >= 0) & (image < count)
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right) & known
    source = images + image * by_image + channel * by_channel + y1 * by_row + x1 * by_column
    y_low, y_high, y_mid, y_wide, y_taps = _taps(row - top, height, bottom - top, CUBIC)
    x_low, x_high, x_mid, x_wide, x_taps = _taps(column - left, width, right - left, CUBIC)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    weights = tl.zeros([ROWS, COLUMNS], tl.float32)
    for j in range(y_taps):
        y = y_low + j
        y_weight = tl.where(y < y_high, _weigh((y + 0.5 - y_mid) / y_wide, CUBIC), 0.0)
        for i in range(x_taps):
            x = x_low + i
            x_weight = tl.where(x < x_high, _weigh((x + 0.5 - x_mid) / x_wide, CUBIC), 0.0)
            read = inside & (y < y_high) & (x < x_high)
            place = source + y.to(tl.int64) * by_row + x.to(tl.int64) * by_column
            value = tl.load(place, read, 0).to(tl.float32)
            total += y_weight * x_weight * value
            weights += y_weight * x_weight
    value = total / tl.where(inside, weights, 1.0)
    if EIGHT_BIT:
        value = tl.floor(tl.minimum(tl.maximum(value, 0.0), 255.0) + 0.5) / 255.0
    value = tl.where(inside, tl.minimum(tl.maximum(value, 0.0), 1.0), fill)
    mean = tl.where(channel == 0, mean0, tl.where(channel == 1, mean1, mean2))
    std = tl.where(channel == 0, std0, tl.where(channel == 1, std1, std2))
    value = (value - mean) / std
    target = out + ((crop * 3 + channel) * size + row) * size + column
    tl.store(target, value.to(out.dtype.element_ty), (row < size) & (column < size))


def crop(
    out: Tensor,
    images: Tensor,
    places: Tensor,
    owner: Tensor,
    resample: str,
    colours: Sequence[float],
) -> None:
    """Write the crops of all regions into ``out``.

    Args:
        out: [R, 3, S, S], contiguous, not empty.
        images: [B, 3, H, W], in [0, 1] or 8-bit, of any strides.
        places: [R, 8], int64: what is cut out of the image, then where it comes to lie in the
            crop; both xyxy, px.
        owner: [R], int64; what is cut from no image is filled.
        resample: "bilinear" or "bicubic".
        colours: What stands beside a region, then three means and three deviations.
    """
    size = out.shape[-1]
    tiles = triton.cdiv(size, _ROWS) * triton.cdiv(size, _COLUMNS)
    with on_device(out):
        crop_kernel[(len(out), 3, tiles)](
            out, images, places, owner.contiguous(), *(float(colour) for colour in colours),
            len(images), size, *images.stride(), CUBIC=resample == "bicubic",
            EIGHT_BIT=images.dtype == torch.uint8, ROWS=_ROWS, COLUMNS=_COLUMNS,
        )  # fmt: skip

"""RoIAlign of all levels of a pyramid in one launch, and its gradient.

A program pools some cells and channels of one region. Which level it reads follows from its box,
so the host need not know. Gradients are summed by atomic additions: of float32, whose order and
last bits vary, or of 64-bit fixed-point numbers, whose sum is the same in any order.

Levels stand as six sets of arguments; the ones that a shorter pyramid lacks repeat its first and
are never read.
"""
# ruff: noqa: ANN001, ANN201, ANN202, N803, PLR0913, PLR0917 - a kernel's arguments: pointers, sizes, CONSTANTS
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ovdet.ops.kernels import on_device
from ovdet.ops.roi_align import MOST_LEVELS, memory_format

_ROOM = 62  # bits of a fixed-point sum below its sign
TILE, APART = 512, 8  # numbers a program writes; channels of it where they lie apart in memory


@triton.jit
def _pick(level, a0, a1, a2, a3, a4, a5):
    """Return the argument of one level."""
    value = tl.where(level == 1, a1, a0)
    value = tl.where(level == 2, a2, value)
    value = tl.where(level == 3, a3, value)
    value = tl.where(level == 4, a4, value)
    return tl.where(level == 5, a5, value)


@triton.jit
def _level(x1, y1, x2, y2, reach, LEVELS: tl.constexpr):
    """Return the level that suits a box; 0, the finest, for a box that is not finite."""
    side = tl.sqrt(tl.maximum((x2 - x1) * (y2 - y1), 1.0))
    level = tl.floor((LEVELS - 1) + tl.log2(side / reach + 1e-6))
    level = tl.where(level >= LEVELS - 1, LEVELS - 1.0, tl.where(level > 0, level, 0.0))
    return level.to(tl.int32)


@triton.jit
def _divide(low, high, scale, cells, SAMPLES: tl.constexpr, ALIGNED: tl.constexpr):
    """Return where a region starts on one axis, a cell's length and its points."""
    half = 0.5 if ALIGNED else 0.0
    start = low * scale - half
    length = (high * scale - half) - start
    if not ALIGNED:
        length = tl.maximum(length, 1.0)
    step = length / cells
    if SAMPLES > 0:
        count = tl.full([], SAMPLES, tl.int32)
    else:  # a box that is not finite reads nothing
        count = tl.where(tl.abs(step) < 1e6, tl.ceil(step), 0.0).to(tl.int32)
    return start, step, count


@triton.jit
def _between(place, extent):
    """Return the two neighbours of a point on one axis and their weights, 0 outside of the map."""
    inside = (place >= -1.0) & (place <= extent)
    place = tl.where(inside, tl.maximum(place, 0.0), 0.0)
    low = tl.minimum(place.to(tl.int32), extent - 1)
    high = tl.minimum(low + 1, extent - 1)
    far = tl.where(low >= extent - 1, 0.0, place - low)
    near = tl.where(inside, 1.0 - far, 0.0)
    return low, high, near, tl.where(inside, far, 0.0)


@triton.jit
def _place(image, channel, channels, height, width, LAST: tl.constexpr):
    """Return where each channel of an image starts, and the strides of a row and a column."""
    if LAST:
        start = image * height * width * channels + channel
        return start, width.to(tl.int64) * channels, channels
    start = (image * channels + channel) * height * width
    return start, width.to(tl.int64), 1


@triton.jit
def pool_kernel(
    out, boxes, owners, images, channels, rows, columns, reach,
    m0, m1, m2, m3, m4, m5, h0, h1, h2, h3, h4, h5, w0, w1, w2, w3, w4, w5,
    s0, s1, s2, s3, s4, s5,
    LEVELS: tl.constexpr, SAMPLES: tl.constexpr, ALIGNED: tl.constexpr, LAST: tl.constexpr,
    CELLS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Write the cells of one region: CELLS of them by WIDTH channels a program."""
    region = tl.program_id(0).to(tl.int64)
    cell = tl.program_id(1) * CELLS + tl.arange(0, CELLS)[:, None]
    channel = (tl.program_id(2) * WIDTH + tl.arange(0, WIDTH)[None, :]).to(tl.int64)
    x1, y1 = tl.load(boxes + region * 4), tl.load(boxes + region * 4 + 1)
    x2, y2 = tl.load(boxes + region * 4 + 2), tl.load(boxes + region * 4 + 3)
    level = _level(x1, y1, x2, y2, reach, LEVELS)
    source = _pick(level, m0, m1, m2, m3, m4, m5)
    height = _pick(level, h0, h1, h2, h3, h4, h5)
    width = _pick(level, w0, w1, w2, w3, w4, w5)
    scale = _pick(level, s0, s1, s2, s3, s4, s5)
    image = tl.load(owners + region).to(tl.int64)
    known = (cell < rows * columns) & (channel < channels)
    readable = known & (image >= 0) & (image < images)
    start, line, step = _place(image, channel, channels, height, width, LAST)
    top, tall, many_y = _divide(y1, y2, scale, rows, SAMPLES, ALIGNED)
    left, wide, many_x = _divide(x1, x2, scale, columns, SAMPLES, ALIGNED)
    top += (cell // columns) * tall
    left += (cell % columns) * wide
    total = tl.zeros([CELLS, WIDTH], tl.float32)
    for j in range(many_y):
        y_low, y_high, y_near, y_far = _between(top + (j + 0.5) * tall / many_y, height)
        for i in range(many_x):
            x_low, x_high, x_near, x_far = _between(left + (i + 0.5) * wide / many_x, width)
            upper, lower = source + start + y_low * line, source + start + y_high * line
            a = tl.load(upper + x_low * step, readable, 0.0).to(tl.float32)
            b = tl.load(upper + x_high * step, readable, 0.0).to(tl.float32)
            c = tl.load(lower + x_low * step, readable, 0.0).to(tl.float32)
            d = tl.load(lower + x_high * step, readable, 0.0).to(tl.float32)
            total += y_near * (x_near * a + x_far * b) + y_far * (x_near * c + x_far * d)
    mean = total / tl.maximum(many_y * many_x, 1)
    first, line, step = _place(region, channel, channels, rows, columns + cell * 0, LAST)
    place = out + first + (cell // columns) * line + (cell % columns) * step
    tl.store(place, mean.to(out.dtype.element_ty), known)


@triton.jit
def spread_kernel(
    gradient, factor, boxes, owners, images, channels, rows, columns, reach,
    m0, m1, m2, m3, m4, m5, h0, h1, h2, h3, h4, h5, w0, w1, w2, w3, w4, w5,
    s0, s1, s2, s3, s4, s5,
    LEVELS: tl.constexpr, SAMPLES: tl.constexpr, ALIGNED: tl.constexpr, LAST: tl.constexpr,
    CELLS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Add the gradients of one region's cells to what its level's cells get."""
    region = tl.program_id(0).to(tl.int64)
    cell = tl.program_id(1) * CELLS + tl.arange(0, CELLS)[:, None]
    channel = (tl.program_id(2) * WIDTH + tl.arange(0, WIDTH)[None, :]).to(tl.int64)
    x1, y1 = tl.load(boxes + region * 4), tl.load(boxes + region * 4 + 1)
    x2, y2 = tl.load(boxes + region * 4 + 2), tl.load(boxes + region * 4 + 3)
    level = _level(x1, y1, x2, y2, reach, LEVELS)
    target = _pick(level, m0, m1, m2, m3, m4, m5)
    height = _pick(level, h0, h1, h2, h3, h4, h5)
    width = _pick(level, w0, w1, w2, w3, w4, w5)
    scale = _pick(level, s0, s1, s2, s3, s4, s5)
    image = tl.load(owners + region).to(tl.int64)
    known = (cell < rows * columns) & (channel < channels) & (image >= 0) & (image < images)
    top, tall, many_y = _divide(y1, y2, scale, rows, SAMPLES, ALIGNED)
    left, wide, many_x = _divide(x1, x2, scale, columns, SAMPLES, ALIGNED)
    top += (cell // columns) * tall
    left += (cell % columns) * wide
    first, line, step = _place(region, channel, channels, rows, columns + cell * 0, LAST)
    place = gradient + first + (cell // columns) * line + (cell % columns) * step
    share = tl.load(place, known, 0.0).to(tl.float32) / tl.maximum(many_y * many_x, 1)
    share *= tl.load(factor)
    start, line, step = _place(image, channel, channels, height, width, LAST)
    for j in range(many_y):
        y_low, y_high, y_near, y_far = _between(top + (j + 0.5) * tall / many_y, height)
        for i in range(many_x):
            x_low, x_high, x_near, x_far = _between(left + (i + 0.5) * wide / many_x, width)
            upper, lower = target + start + y_low * line, target + start + y_high * line
            _add(upper + x_low * step, share * (y_near * x_near), known)
            _add(upper + x_high * step, share * (y_near * x_far), known)
            _add(lower + x_low * step, share * (y_far * x_near), known)
            _add(lower + x_high * step, share * (y_far * x_far), known)


@triton.jit
def _add(place, value, known):
    """Add to memory, rounded to a whole number where whole numbers are summed."""
    if place.dtype.element_ty == tl.int64:
        value = tl.floor(value + 0.5).to(tl.int64)
    tl.atomic_add(place, value, known & (value != 0), sem="relaxed")


def pool(
    out: Tensor,
    levels: Sequence[Tensor],
    boxes: Tensor,
    owner: Tensor,
    scales: Sequence[float],
    reach: float,
    samples: int,
    *,
    aligned: bool,
) -> None:
    """Write the means of every region's cells into ``out``.

    Args:
        out: [R, c, S, S], as the first level contiguous or channels-last, not empty.
        levels: At most ``MOST_LEVELS`` maps [B, c, h, w], finest first, of the type of ``out``.
        boxes: [R, 4], float32, xyxy, px.
        owner: [R], int64; a region without an image gets zeros.
        scales: L, cells of each level over px.
        reach: Side of a box that reads the coarsest level, px.
        samples: Points read a cell and axis, 0 for as many as it is long.
        aligned: Whether a map's value stands in the middle of its cell.
    """
    layout = memory_format(levels[0])
    levels = [level.contiguous(memory_format=layout) for level in levels]
    how = _constants(out.shape, len(levels), samples, layout, aligned=aligned)
    with on_device(out):
        pool_kernel[_grid(out.shape, how)](
            out, boxes.contiguous(), owner.contiguous(), len(levels[0]), *out.shape[1:], reach,
            *_arguments(levels, scales), **how,
        )  # fmt: skip


def spread(
    gradient: Tensor,
    grads: Sequence[Tensor],
    boxes: Tensor,
    owner: Tensor,
    scales: Sequence[float],
    reach: float,
    samples: int,
    *,
    aligned: bool,
) -> list[Tensor]:
    """Return what gradients [R, c, S, S] of :func:`pool` make of its levels.

    Args:
        gradient: [R, c, S, S], not empty.
        grads: L tensors of the levels' shapes, zeros; summed into where their type allows it.
        boxes: As in :func:`pool`, and so is what follows.
        owner: [R], int64.
        scales: L, cells of each level over px.
        reach: Side of a box that reads the coarsest level, px.
        samples: Points read a cell and axis, 0 for as many as it is long.
        aligned: Whether a map's value stands in the middle of its cell.

    Returns:
        L tensors of the type of ``grads``; bit for bit the same in every run where
        ``torch.use_deterministic_algorithms`` asks for it.
    """
    layout = memory_format(grads[0])
    gradient = gradient.contiguous(memory_format=layout)
    exact = torch.are_deterministic_algorithms_enabled()
    sums = [grad.to(torch.int64 if exact else torch.float32) for grad in grads]
    factor = _fixed_point(gradient) if exact else gradient.new_ones((), dtype=torch.float32)
    how = _constants(gradient.shape, len(grads), samples, layout, aligned=aligned)
    with on_device(gradient):
        spread_kernel[_grid(gradient.shape, how)](
            gradient, factor, boxes.contiguous(), owner.contiguous(), len(grads[0]),
            *gradient.shape[1:], reach, *_arguments(sums, scales), **how,
        )  # fmt: skip
    if exact:
        return [(total / factor.double()).to(gradient.dtype) for total in sums]
    return [total.to(gradient.dtype) for total in sums]


def _fixed_point(gradient: Tensor) -> Tensor:
    """Return the power of two that turns gradients into whole numbers whose sums keep their room.

    All cells may add to one place, each its largest gradient once. No number is finite after it
    where a gradient is not, as a scaler of mixed precision expects.
    """
    cells = gradient.shape[0] * gradient.shape[2] * gradient.shape[3]
    largest = gradient.abs().amax().float()
    bits = _ROOM - 1 - cells.bit_length() - torch.log2(largest).ceil()
    return torch.exp2(bits.clamp(max=120))


def _constants(
    shape: Sequence[int], levels: int, samples: int, layout: torch.memory_format, *, aligned: bool
) -> dict[str, Any]:
    """Return the kernels' constants; a tile is long along what lies together in memory."""
    last = layout == torch.channels_last
    longest = triton.next_power_of_2(shape[1])
    width = min(longest, 128 if last else APART)
    cells = min(triton.next_power_of_2(shape[2] * shape[3]), TILE // width)
    return {
        "LEVELS": levels,
        "SAMPLES": samples,
        "ALIGNED": aligned,
        "LAST": last,
        "CELLS": cells,
        "WIDTH": width,
    }


def _grid(shape: Sequence[int], how: dict[str, Any]) -> tuple[int, int, int]:
    regions, channels, rows, columns = shape
    return regions, triton.cdiv(rows * columns, how["CELLS"]), triton.cdiv(channels, how["WIDTH"])


def _arguments(levels: Sequence[Tensor], scales: Sequence[float]) -> list[Any]:
    """Return maps, heights, widths and scales, each ``MOST_LEVELS`` times."""
    missing = MOST_LEVELS - len(levels)
    maps = [*levels, *[levels[0]] * missing]
    sizes = [float(scale) for scale in [*scales, *[scales[0]] * missing]]
    return [*maps, *(m.shape[2] for m in maps), *(m.shape[3] for m in maps), *sizes]

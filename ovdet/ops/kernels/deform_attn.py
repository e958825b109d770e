"""Deformable attention in one launch, and its gradients.

A program takes some rows, each a query of a head of an image, and all channels of the head. The
gradient of the values is summed by atomic additions: the order and the last bits vary.
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

_TILE = 1024  # numbers a program holds of one corner


@triton.jit
def _point(locations, place, extent, rows_known, AXIS: tl.constexpr, WIDE: tl.constexpr):
    """Return the cell before a point on one axis and how far the point is beyond it."""
    part = tl.load(locations + place * 2 + AXIS, rows_known, 0.0).to(WIDE)
    centre = part * extent - 0.5
    # What is far outside, or no number, reads nothing: keep it within what an int holds.
    centre = tl.where(centre >= -2.0, centre, -2.0)
    centre = tl.where(centre <= extent + 1.0, centre, extent + 1.0)
    low = tl.floor(centre)
    return low.to(tl.int64), centre - low


@triton.jit
def _corner(row, column, height, width, first, step, channel, known):
    """Return where a cell's channels lie, and which of them are on the map."""
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    place = first + (row * width + column) * step
    return place[:, None] + channel[None, :], inside[:, None] & known


@triton.jit
def read_kernel(
    out, values, levels, locations, weights, rows, queries, heads, cells, depth,
    LEVELS: tl.constexpr, POINTS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
    DEPTH: tl.constexpr,
):  # fmt: skip
    """Mix what some rows read."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, DEPTH)
    real = row < rows
    known = real[:, None] & (channel < depth)[None, :]
    head, image = row % heads, row // (queries * heads)
    step = heads * depth
    total = tl.zeros([ROWS, DEPTH], WIDE)
    for level in range(LEVELS):
        height, width = tl.load(levels + 3 * level), tl.load(levels + 3 * level + 1)
        first = (image * cells + tl.load(levels + 3 * level + 2)) * step + head * depth
        for point in range(POINTS):
            place = (row * LEVELS + level) * POINTS + point
            weight = tl.load(weights + place, real, 0.0).to(WIDE)
            x, right = _point(locations, place, width, real, 0, WIDE)
            y, down = _point(locations, place, height, real, 1, WIDE)
            for corner in tl.static_range(4):
                j: tl.constexpr = corner // 2
                i: tl.constexpr = corner % 2
                near = (down if j else 1 - down) * (right if i else 1 - right)
                spot, there = _corner(y + j, x + i, height, width, first, step, channel, known)
                total += (weight * near)[:, None] * tl.load(values + spot, there, 0.0).to(WIDE)
    spot = row[:, None] * depth + channel[None, :]
    tl.store(out + spot, total.to(out.dtype.element_ty), known)


@triton.jit
def spread_kernel(
    for_values, for_locations, for_weights, gradient, values, levels, locations, weights,
    rows, queries, heads, cells, depth,
    LEVELS: tl.constexpr, POINTS: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
    DEPTH: tl.constexpr,
):  # fmt: skip
    """Take the gradients of some rows back to values, locations and weights."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, DEPTH)
    real = row < rows
    known = real[:, None] & (channel < depth)[None, :]
    head, image = row % heads, row // (queries * heads)
    step = heads * depth
    given = tl.load(gradient + row[:, None] * depth + channel[None, :], known, 0.0).to(WIDE)
    for level in range(LEVELS):
        height, width = tl.load(levels + 3 * level), tl.load(levels + 3 * level + 1)
        first = (image * cells + tl.load(levels + 3 * level + 2)) * step + head * depth
        for point in range(POINTS):
            place = (row * LEVELS + level) * POINTS + point
            weight = tl.load(weights + place, real, 0.0).to(WIDE)
            x, right = _point(locations, place, width, real, 0, WIDE)
            y, down = _point(locations, place, height, real, 1, WIDE)
            mixed = tl.zeros([ROWS], WIDE)
            along = tl.zeros([ROWS], WIDE)
            across = tl.zeros([ROWS], WIDE)
            for corner in tl.static_range(4):
                j: tl.constexpr = corner // 2
                i: tl.constexpr = corner % 2
                tall, wide = down if j else 1 - down, right if i else 1 - right
                spot, there = _corner(y + j, x + i, height, width, first, step, channel, known)
                met = tl.sum(given * tl.load(values + spot, there, 0.0).to(WIDE), axis=1)
                mixed += met * tall * wide
                along += met * tall * (2 * i - 1)
                across += met * wide * (2 * j - 1)
                part = given * (weight * tall * wide)[:, None]
                tl.atomic_add(for_values + spot, part, there, sem="relaxed")
            tl.store(for_weights + place, mixed.to(for_weights.dtype.element_ty), real)
            along *= weight * width
            across *= weight * height
            kind = for_locations.dtype.element_ty
            tl.store(for_locations + place * 2, along.to(kind), real)
            tl.store(for_locations + place * 2 + 1, across.to(kind), real)


def read(values: Tensor, sizes: Sequence[int], locations: Tensor, weights: Tensor) -> Tensor:
    """Return what every query reads, [B, Q, M * d], in the type of the values.

    Args:
        values: [B, T, M, d].
        sizes: The heights and widths of the L levels in turn.
        locations: [B, Q, M, L, P, 2].
        weights: [B, Q, M, L, P].
    """
    batch, _, heads, depth = values.shape
    out = values.new_zeros(batch, locations.shape[1], heads * depth)
    if 0 in (out.numel(), weights.numel()):
        return out
    grid, sizing, how = _launch(values, weights)
    with on_device(values):
        read_kernel[grid](
            out, values.contiguous(), _levels(sizes, values.device), locations.contiguous(),
            weights.contiguous(), *sizing, **how,
        )  # fmt: skip
    return out


def spread(
    gradient: Tensor, values: Tensor, sizes: Sequence[int], locations: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of values, locations and weights, each of its tensor's type.

    Args:
        gradient: [B, Q, M * d], of :func:`read`, whose arguments the others are.
        values: [B, T, M, d].
        sizes: The heights and widths of the L levels in turn.
        locations: [B, Q, M, L, P, 2].
        weights: [B, Q, M, L, P].
    """
    summed = torch.zeros(values.shape, dtype=_wide(values), device=values.device)
    for_locations, for_weights = (
        torch.zeros(part.shape, dtype=part.dtype, device=part.device)
        for part in (locations, weights)
    )
    if 0 not in (gradient.numel(), weights.numel()):
        grid, sizing, how = _launch(values, weights)
        with on_device(values):
            spread_kernel[grid](
                summed, for_locations, for_weights, gradient.contiguous(), values.contiguous(),
                _levels(sizes, values.device), locations.contiguous(), weights.contiguous(),
                *sizing, **how,
            )  # fmt: skip
    return summed.to(values.dtype), for_locations, for_weights


def _launch(values: Tensor, weights: Tensor) -> tuple[tuple[int], list[int], dict[str, Any]]:
    """Return the grid, the sizes and the constants of both kernels."""
    _, cells, heads, depth = values.shape
    batch, queries, _, levels, points = weights.shape
    rows = batch * queries * heads
    channels = triton.next_power_of_2(depth)
    together = min(max(_TILE // channels, 1), triton.next_power_of_2(rows))
    how = {
        "LEVELS": levels,
        "POINTS": points,
        "WIDE": tl.float64 if _wide(values) is torch.float64 else tl.float32,
        "ROWS": together,
        "DEPTH": channels,
    }
    return (triton.cdiv(rows, together),), [rows, queries, heads, cells, depth], how


def _levels(sizes: Sequence[int], device: torch.device) -> Tensor:
    """Return [L, 3], int64: height, width and first cell of each level."""
    rows, first = [], 0
    for height, width in zip(sizes[::2], sizes[1::2], strict=True):
        rows.append((height, width, first))
        first += height * width
    table = torch.tensor(rows, dtype=torch.int64)
    return table.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else table


def _wide(values: Tensor) -> torch.dtype:
    return torch.promote_types(values.dtype, torch.float32)

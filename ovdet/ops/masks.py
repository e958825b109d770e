"""Masks: from the frame of a box to the whole image, and what features they hold. No state."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ovdet.ops.rle import Places, join_columns, pack_borders
from ovdet.structures import InputError

Numbers = NDArray[np.float32]
THRESHOLD = 0.5


def mask_paste(
    masks: Tensor, boxes: Tensor, height: int, width: int, threshold: float = THRESHOLD
) -> Tensor:
    """Draw masks that fill their boxes into whole images.

    A pixel takes the bilinear value of the mask at the pixel's centre; pixels whose centre lies
    outside the box stay empty. Only the pixels of a box are ever computed; where run lengths are
    all that is wanted, :func:`paste_rle` computes fewer still.

    Args:
        masks: [R, h, w], in [0, 1], over the box.
        boxes: [R, 4], xyxy, px of the image.
        height: H of the image, px.
        width: W of the image, px.
        threshold: A pixel belongs to the object from this value on.

    Returns:
        [R, H, W], bool, on the masks' device.

    Raises:
        InputError: If the masks are not [R, h, w] of at least one cell, the boxes not [R, 4], or a
            box is not finite.
    """
    _check(masks, boxes)
    pasted = torch.zeros(len(boxes), height, width, dtype=torch.bool, device=masks.device)
    for canvas, mask, box in zip(pasted, masks, boxes.tolist(), strict=True):
        columns = _Axis.of(box[0], box[2], width, mask.shape[1])
        rows = _Axis.of(box[1], box[3], height, mask.shape[0])
        if len(rows.low) and len(columns.low):
            drawn = rows.read(columns.read(mask.float().T).T) >= threshold
            canvas[rows.pixels, columns.pixels] = drawn
    return pasted


def paste_rle(masks: Tensor, boxes: Tensor, height: int, width: int) -> list[dict[str, Any]]:
    """Return COCO's run lengths of box-frame masks pasted into an image, nothing of it drawn.

    Between two rows of cells a column of pixels runs along a straight line, so it can cross the
    threshold once: the runs follow from the first and last pixel between each two rows, and from
    halving where these differ. R h W numbers at most are computed, a mask at a time, on the CPU.

    Args:
        masks: [R, h, w], in [0, 1], over the box.
        boxes: [R, 4], xyxy, px of the image.
        height: H of the image, px.
        width: W of the image, px.

    Returns:
        For each mask ``size`` and ``counts``, which is text: those of :func:`mask_paste`.

    Raises:
        InputError: As :func:`mask_paste`.
    """
    _check(masks, boxes)
    borders = []
    for mask, box in zip(masks.detach().float().cpu(), boxes.tolist(), strict=True):
        columns = _Axis.of(box[0], box[2], width, mask.shape[1])
        rows = _Axis.of(box[1], box[3], height, mask.shape[0])
        if len(rows.low) and len(columns.low):
            column, row = _crossings(columns.read(mask.T).numpy(), rows)
            places = (column + columns.pixels.start, row + rows.pixels.start)
            borders.append(join_columns(*places, height))
        else:
            borders.append(np.zeros(0, np.int64))
    return pack_borders(borders, height, width)


def mask_pool(features: Tensor, masks: Tensor) -> Tensor:
    """Return the mean of the features under each soft mask, each cell weighted by the mask.

    One product of matrices an image: no [R, D, h, w] is made. Sums are kept in float32 or finer,
    since those of half precision overflow on large masks.

    Args:
        features: [B, D, h, w].
        masks: [R, h, w], at least 0: as many of each image, those of the first image first.

    Returns:
        [R, D], of the type of ``features``; 0 where a mask is empty.

    Raises:
        InputError: If the features are not [B, D, h, w], the masks not of their cells, or R is no
            multiple of B.
    """
    if features.ndim != 4 or masks.ndim != 3 or masks.shape[1:] != features.shape[2:]:
        raise InputError(
            "features must be [B, D, h, w] and masks [R, h, w] of the same cells, got "
            f"{list(features.shape)} and {list(masks.shape)}"
        )
    batch, width = features.shape[:2]
    if len(masks) % max(batch, 1) or (not batch and len(masks)):
        raise InputError(f"{batch} images must have as many masks each, got {len(masks)} in all")
    wide = torch.promote_types(features.dtype, torch.float32)
    with torch.autocast(features.device.type, enabled=False):
        own = masks.to(wide).reshape(
            batch, len(masks) // max(batch, 1), masks.shape[1] * masks.shape[2]
        )
        area = own.sum(dim=2, keepdim=True)
        sums = own @ features.to(wide).flatten(2).mT  # [B, Q, D]
        means = sums / area.masked_fill(area == 0, 1)
    return means.reshape(len(masks), width).to(features.dtype)


def mask_boxes(masks: Tensor) -> Tensor:
    """Return the tight boxes of masks [R, H, W], bool: [R, 4], xyxy, px; 0 for an empty one."""
    boxes = torch.zeros(len(masks), 4, device=masks.device)
    for low, axis in ((0, 1), (1, 2)):  # columns hold x, rows hold y
        hit = masks.any(dim=axis).float()  # [R, W] or [R, H]
        size = hit.shape[1]
        boxes[:, low] = hit.argmax(dim=1)
        boxes[:, low + 2] = size - hit.flip(1).argmax(dim=1)
    return torch.where(masks.flatten(1).any(dim=1)[:, None], boxes, 0.0)


@dataclass(frozen=True)
class _Axis:
    """Where the n pixels of a box lie on one axis of a mask.

    Attributes:
        pixels: Those of the image whose centres lie in the box.
        low: [n], int64, the cell before each.
        high: [n], the cell after it.
        share: [n], float32, how far it is from the one to the other, in [0, 1].
    """

    pixels: slice
    low: Tensor
    high: Tensor
    share: Tensor

    @classmethod
    def of(cls, start: float, end: float, limit: int, cells: int) -> "_Axis":
        """Return the pixels with centres in [start, end), of ``limit``, on ``cells`` cells."""
        first = min(max(int(np.ceil(start - 0.5)), 0), limit)
        last = max(min(int(np.ceil(end - 0.5)), limit), first)
        centres = torch.arange(first, last, dtype=torch.float64) + 0.5
        # The same float64 numbers in both functions: they must agree to the last bit.
        place = ((centres - start) / (end - start) * cells - 0.5).clamp(0, cells - 1)
        low = place.long()
        high = (low + 1).clamp(max=cells - 1)
        return cls(slice(first, last), low, high, (place - low).float())

    def read(self, lines: Tensor) -> Tensor:
        """Return lines of cells [cells, m] at the pixels, [n, m]."""
        device = lines.device
        before = lines.index_select(0, self.low.to(device))
        step = lines.index_select(0, self.high.to(device)) - before
        return before + step * self.share[:, None].to(device)


def _crossings(lines: Numbers, rows: _Axis) -> tuple[Places, Places]:
    """Return where columns cross the threshold: their indices, and the first pixel beyond each.

    Args:
        lines: [W, h], each column of pixels at the rows of cells.
        rows: Where the H rows of pixels lie on them.

    Returns:
        Column and row of each change, column by column; rows are in [0, H].
    """
    low, high, share = rows.low.numpy(), rows.high.numpy(), rows.share.numpy()

    def inside(column: Places | slice, row: Places) -> NDArray[np.bool_]:
        before = lines[column, low[row]]
        found: NDArray[np.bool_] = before + (lines[column, high[row]] - before) * share[row] >= (
            THRESHOLD
        )
        return found

    starts = np.flatnonzero(np.diff(low, prepend=-1))
    stops = np.append(starts[1:], len(low)) - 1
    seen = np.stack([starts, stops], axis=1).ravel()  # the ends of each straight piece
    states = np.zeros((len(lines), len(seen) + 2), np.bool_)  # outside above and below
    states[:, 1:-1] = inside(slice(None), seen)
    column, place = np.nonzero(states[:, 1:] != states[:, :-1])
    after = states[column, place + 1]
    bounds = np.concatenate([[-1], seen, [len(low)]])
    known, first = bounds[place], bounds[place + 1]  # before the change, and not before it
    while len(wide := np.flatnonzero(first - known > 1)):
        middle = (known[wide] + first[wide]) // 2
        beyond = inside(column[wide], middle) == after[wide]
        first[wide] = np.where(beyond, middle, first[wide])
        known[wide] = np.where(beyond, known[wide], middle)
    return column, first


def _check(masks: Tensor, boxes: Tensor) -> None:
    if masks.ndim != 3 or 0 in masks.shape[1:] or boxes.shape != (len(masks), 4):
        raise InputError(
            "masks must be [R, h, w] of at least one cell and boxes [R, 4], got "
            f"{list(masks.shape)} and {list(boxes.shape)}"
        )
    broken = (~boxes.isfinite()).any(dim=1).nonzero()
    if len(broken):
        row = int(broken[0])
        raise InputError(f"boxes must be finite, got {boxes[row].tolist()} in row {row}")

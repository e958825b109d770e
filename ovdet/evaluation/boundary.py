"""Boundary IoU: how well outlines agree, so that large objects are not forgiven coarse masks.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021,
https://arxiv.org/abs/2103.16562, Sec. 4 and 5: only pixels within d of a mask's own outline are
compared, d being 2 % of the image's diagonal, and the smaller of mask and boundary IoU counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.run_lengths import Rle

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WIDTH = 0.02  # of the image's diagonal


@dataclass(frozen=True)
class Outline:
    """The boundary of a mask, cut out of its image.

    Attributes:
        top: Row of its first pixel, px.
        left: Column of its first pixel, px.
        pixels: [h, w], bool.
    """

    top: int
    left: int
    pixels: Bools


def boundary_overlaps(first: Sequence[Rle], second: Sequence[Rle]) -> Floats:
    """Return the boundary IoU of masks of one image, [N, M]; 0 where both are empty.

    Args:
        first: N packed run-length masks.
        second: M packed run-length masks.
    """
    outlines = [[outline(mask) for mask in masks] for masks in (first, second)]
    areas = [np.array([int(o.pixels.sum()) for o in side], np.float64) for side in outlines]
    common = np.array([[_common(a, b) for b in outlines[1]] for a in outlines[0]], np.float64)
    common = common.reshape(len(first), len(second))
    union = areas[0][:, None] + areas[1][None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def outline(mask: Rle, width: float = WIDTH) -> Outline:
    """Return the pixels of a mask that lie near its edge; the image's border is an edge too.

    A pixel lies near where one that does not belong to the mask is at most d rows and d columns
    away, d being ``width`` times the diagonal, rounded, and at least 1.

    Args:
        mask: Packed run lengths of an image.
        width: Part of the image's diagonal.
    """
    from pycocotools import mask as coco_mask

    height, length = mask["size"]
    near = max(round(width * math.sqrt(height**2 + length**2)), 1)
    left, top, wide, high = np.asarray(coco_mask.toBbox(mask)).astype(int).tolist()
    pixels = np.asarray(coco_mask.decode(mask))[top : top + high, left : left + wide].astype(bool)
    return Outline(top, left, pixels & ~_erode(pixels, near))


def _erode(pixels: Bools, near: int) -> Bools:
    """Return the pixels whose surrounding square of 2 near + 1 px lies in the mask, [h, w]."""
    padded = np.pad(pixels, near).astype(np.int64)
    total = np.pad(padded.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    side = 2 * near + 1
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    full: Bools = inside + total[:-side, :-side] == side**2
    return full


def _common(first: Outline, second: Outline) -> int:
    """Return how many pixels two boundaries share."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    cut = [o.pixels[max(top - o.top, 0) :, max(left - o.left, 0) :] for o in (first, second)]
    high = min(len(part) for part in cut)
    wide = min(part.shape[1] for part in cut)
    return int((cut[0][:high, :wide] & cut[1][:high, :wide]).sum())

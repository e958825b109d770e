"""COCO's run lengths and polygons: from masks to text and back. No state.

A mask is read column by column. Its runs alternate between outside and inside, beginning outside;
the text holds each as a few digits of five bits, from the third on less the run two before.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

Places = NDArray[np.int64]
_DIGITS = 13  # of five bits, enough for any int64


def encode_rle(masks: Tensor) -> list[dict[str, Any]]:
    """Return COCO's compressed run lengths of masks [R, H, W], bool; ``counts`` is text."""
    height, width = masks.shape[1:]
    borders = [_borders(mask.cpu().numpy()) for mask in masks]  # one full-size plane at a time
    return pack_borders(borders, height, width)


def encode_window(
    mask: NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]
) -> dict[str, Any]:
    """Return COCO's compressed run lengths of a mask that is known in a window of a picture.

    Args:
        mask: [h, w], bool; outside the window nothing belongs to the object.
        corner: The window's left and top in the picture, px.
        size: (H, W) of the picture, px; the window lies inside.

    Returns:
        ``size`` and ``counts``, which is text.
    """
    return pack_borders([_borders(mask, corner, size[0])], *size)[0]


def pack_borders(borders: Sequence[Places], height: int, width: int) -> list[dict[str, Any]]:
    """Return COCO's compressed run lengths of masks known by where they change.

    Args:
        borders: For each mask the places column by column, in [0, H W], where it begins and ends
            in turn, rising.
        height: H, px.
        width: W, px.

    Returns:
        For each mask ``size`` and ``counts``, which is text.
    """
    if not borders:
        return []
    deltas, lengths = [], []
    for places in borders:
        closed = len(places) and places[-1] == height * width  # the last run is inside
        ends = places if closed else np.append(places, height * width)
        runs = np.diff(ends, prepend=0)
        lengths.append(len(runs))
        deltas.append(runs)
        deltas[-1][3:] -= runs[1:-2].copy()
    texts = _digits(np.concatenate(deltas), lengths)
    return [{"size": [height, width], "counts": text} for text in texts]


def _digits(values: Places, lengths: list[int]) -> list[str]:
    """Write numbers in base 32, lowest digit first, and return the texts of ``lengths`` numbers."""
    rest = values
    written, going = [], []
    alive = np.ones(len(values), np.bool_)
    for _ in range(_DIGITS):
        digit, rest = rest & 31, rest >> 5
        more = rest != np.where(digit & 16, -1, 0)  # the sign is the last digit's highest bit
        going.append(alive)
        written.append(digit + 32 * more + 48)
        alive = alive & more
        if not alive.any():
            break
    shown = np.stack(going, axis=1)  # [n, digits]
    text = np.stack(written, axis=1)[shown].astype(np.uint8).tobytes().decode("ascii")
    ends = shown.sum(axis=1).cumsum()[np.cumsum(lengths) - 1].tolist()
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _borders(
    mask: NDArray[np.bool_], corner: tuple[int, int] = (0, 0), height: int | None = None
) -> Places:
    """Return where a mask [h, w] begins and ends in turn, column by column.

    Its corner (left, top) lies in a picture of that height; without one it is the picture.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    (top, bottom), (left, right) = rows[[0, -1]], columns[[0, -1]]
    window = mask[top : bottom + 1, left : right + 1].T
    closed = np.zeros((len(window), window.shape[1] + 2), np.bool_)  # outside above and below
    closed[:, 1:-1] = window
    column, row = np.nonzero(closed[:, 1:] != closed[:, :-1])
    return join_columns(column + left + corner[0], row + top + corner[1], height or len(mask))


def join_columns(columns: Places, rows: Places, height: int) -> Places:
    """Return places column by column of borders found in each column by itself.

    Where a run ends with its column and the next begins with the next one, there is no border.

    Args:
        columns: [n], rising.
        rows: [n], in [0, H], rising within a column: where a run begins and ends in turn.
        height: H.
    """
    places = columns * height + rows
    same = np.flatnonzero(places[1:] == places[:-1])
    return np.delete(places, np.concatenate([same, same + 1])) if len(same) else places


def decode_segmentation(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask [H, W], bool, of a COCO ``segmentation``: polygons or run lengths.

    The segmentation must have passed :func:`check_segmentation`: the decoder trusts it.
    """
    if isinstance(segmentation, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = coco_mask.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    decoded: NDArray[np.bool_] = coco_mask.decode(rle).astype(np.bool_)
    return decoded


def check_segmentation(segmentation: Any, height: int, width: int) -> None:
    """Check that a COCO ``segmentation`` describes a mask of H x W px.

    Raises:
        ValueError: If it is neither polygons of at least three points near the image nor run
            lengths that fill the image exactly.
    """
    if isinstance(segmentation, list):
        _check_polygons(segmentation, max(height, width))
    elif isinstance(segmentation, dict):
        _check_runs(segmentation, height, width)
    else:
        raise ValueError("segmentation must be polygons or run lengths")  # noqa: TRY004


def _check_polygons(polygons: list[Any], side: int) -> None:
    if not polygons:
        raise ValueError("segmentation must hold a polygon, got none")
    for polygon in polygons:
        # The decoder walks every edge, so a point far away would cost all the memory there is.
        near = isinstance(polygon, list) and all(
            type(value) in (int, float) and -side <= value <= 2 * side for value in polygon
        )
        if not near or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(
                "segmentation polygons must be at least three points x, y, none farther from the "
                f"image than its longer side of {side} px"
            )


def _check_runs(rle: dict[str, Any], height: int, width: int) -> None:
    size, counts = rle.get("size"), rle.get("counts")
    if size != [height, width]:
        raise ValueError(f"segmentation size must be {[height, width]}, got {size}")
    runs = _runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise ValueError("segmentation counts must be run lengths")
    if sum(runs) != height * width:
        raise ValueError(f"segmentation runs must fill {height * width} px, got {sum(runs)}")


def _runs(text: str) -> list[int]:
    """Decode COCO's packed run lengths: base 32 digits from ``0`` on, from the third on deltas."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            raise ValueError(f"segmentation counts hold the character {character!r}")
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError("segmentation counts end in the middle of a run")
    return runs

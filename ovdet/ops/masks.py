"""Masks: from the frame of a box to the whole image, and to and from COCO's run lengths."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor


def paste_masks(
    masks: Tensor, boxes: Tensor, height: int, width: int, threshold: float = 0.5
) -> Tensor:
    """Draw masks that fill their boxes into whole images.

    A pixel takes the bilinear value of the mask at the pixel's centre; pixels whose centre lies
    outside the box stay empty.

    Args:
        masks: [R, h, w], in [0, 1], over the box.
        boxes: [R, 4], xyxy, px of the image.
        height: H of the image, px.
        width: W of the image, px.
        threshold: A pixel belongs to the object from this value on.

    Returns:
        [R, H, W], bool.
    """
    pasted = torch.zeros(len(boxes), height, width, dtype=torch.bool, device=masks.device)
    for canvas, mask, box in zip(pasted, masks, boxes.tolist(), strict=True):
        columns, rows = _centres(box[0], box[2], width), _centres(box[1], box[3], height)
        if not (len(rows) and len(columns)):
            continue
        x = (columns + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1  # [-1, 1] over the box
        y = (rows + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        drawn = F.grid_sample(
            mask[None, None].float(),
            grid.to(masks.device),
            padding_mode="border",
            align_corners=False,
        )[0, 0]
        top, left = int(rows[0]), int(columns[0])
        canvas[top : top + len(rows), left : left + len(columns)] = drawn >= threshold
    return pasted


def _centres(low: float, high: float, limit: int) -> Tensor:
    """Return the indices of pixels whose centres lie in [low, high), within [0, limit)."""
    first = max(int(np.ceil(low - 0.5)), 0)
    last = min(int(np.ceil(high - 0.5)), limit)
    return torch.arange(first, max(last, first))


def mask_boxes(masks: Tensor) -> Tensor:
    """Return the tight boxes of masks [R, H, W], bool: [R, 4], xyxy, px; 0 for an empty one."""
    boxes = torch.zeros(len(masks), 4, device=masks.device)
    for low, axis in ((0, 1), (1, 2)):  # columns hold x, rows hold y
        hit = masks.any(dim=axis).float()  # [R, W] or [R, H]
        size = hit.shape[1]
        boxes[:, low] = hit.argmax(dim=1)
        boxes[:, low + 2] = size - hit.flip(1).argmax(dim=1)
    return torch.where(masks.flatten(1).any(dim=1)[:, None], boxes, 0.0)


def encode_rle(masks: Tensor) -> list[dict[str, Any]]:
    """Return COCO's compressed run lengths of masks [R, H, W], bool; ``counts`` is text."""
    if len(masks) == 0:
        return []
    planes = masks.permute(1, 2, 0).cpu().numpy().astype(np.uint8)  # [H, W, R]
    encoded = coco_mask.encode(np.asfortranarray(planes))
    return [{"size": rle["size"], "counts": rle["counts"].decode("ascii")} for rle in encoded]


def paste_rle(masks: Tensor, boxes: Tensor, height: int, width: int) -> list[dict[str, Any]]:
    """Return the run lengths of box-frame masks [R, h, w] pasted into an image, one at a time."""
    encoded: list[dict[str, Any]] = []
    for index in range(len(boxes)):  # a thousand full-size canvases at once would not fit
        one = slice(index, index + 1)
        encoded += encode_rle(paste_masks(masks[one], boxes[one], height, width))
    return encoded


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

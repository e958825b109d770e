"""Which of overlapping boxes stay.

Shapes: N boxes, xyxy; ``offset`` 1 counts a box's last pixel as part of it, 0 does not.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import Tensor

from ovdet.ops import box_iou

Numbers = npt.NDArray[np.floating[Any]]

_HARD, _LINEAR = 0, 1  # mmcv's numbers; 2 is the Gaussian


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, offset: int) -> Tensor:
    """Return the rows [K] that no better box overlaps by more than ``iou_threshold``, best first.

    Args:
        boxes: [N, 4].
        scores: [N].
        iou_threshold: In [0, 1].
        offset: 0 or 1.
    """
    wide = torch.promote_types(boxes.dtype, torch.float32)
    kept: Tensor = torchvision.ops.nms(
        _grown(boxes.to(wide), offset), scores.to(wide), iou_threshold
    )
    return kept


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    *,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lower the scores of boxes that a better one overlaps (Soft-NMS, Bodla 2017, Sec. 3).

    Args:
        boxes: [N, 4].
        scores: [N].
        dets: [N, 5], takes the boxes that stay with their new scores, best first.
        iou_threshold: Least overlap that counts, of methods 0 and 1.
        sigma: Of the Gaussian.
        min_score: A box whose score falls below it goes.
        method: 0 sets scores to 0, 1 takes the overlap away, 2 is the Gaussian.
        offset: 0 or 1.

    Returns:
        [K], the rows that stay, best first.
    """
    corners = _grown(boxes, offset).numpy().T.copy()  # one pass a box: numpy starts quicker
    areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
    points = scores.numpy().copy()
    alive = np.ones(len(points), dtype=bool)
    kept: list[int] = []
    while alive.any():
        best = int(np.where(alive, points, -np.inf).argmax())
        dets[len(kept), :4] = boxes[best]
        dets[len(kept), 4] = float(points[best])
        kept.append(best)
        alive[best] = False
        overlap = _overlaps(corners, areas, best)
        near = alive & (overlap > 0)
        points[near] *= _decay(overlap[near], method, iou_threshold, sigma)
        alive[near] = points[near] >= min_score
        if len(kept) == 1:  # what began below it goes as soon as something was taken
            alive &= points >= min_score
    return torch.tensor(kept, dtype=torch.int64)


def _overlaps(corners: Numbers, areas: Numbers, row: int) -> Numbers:
    """Return the IoU [N] of one of N boxes, given as [4, N], with all of them."""
    width = np.minimum(corners[2], corners[2, row]) - np.maximum(corners[0], corners[0, row])
    height = np.minimum(corners[3], corners[3, row]) - np.maximum(corners[1], corners[1, row])
    inside = width.clip(min=0) * height.clip(min=0)
    joined = np.maximum(areas + areas[row] - inside, np.finfo(areas.dtype).tiny)
    overlap: Numbers = inside / joined
    return overlap


def _decay(overlap: Numbers, method: int, iou_threshold: float, sigma: float) -> Numbers:
    """Return what the scores of overlapping boxes are multiplied by."""
    if method not in (_HARD, _LINEAR):
        decay: Numbers = np.exp(-(overlap**2) / sigma)
        return decay
    share = 1 - overlap if method == _LINEAR else np.zeros_like(overlap)
    return np.where(overlap >= iou_threshold, share, 1)


def nms_match(dets: Tensor, *, iou_threshold: float) -> list[list[int]]:
    """Return for each box that NMS keeps its row and the rows it drives out, best first.

    Args:
        dets: [N, 5], boxes and scores.
        iou_threshold: An overlap from this on drives out.
    """
    left = dets[:, 4].argsort(descending=True, stable=True)
    groups: list[list[int]] = []
    while len(left):
        near = box_iou(dets[left[:1], :4], dets[left, :4])[0] >= iou_threshold
        near[0] = True
        groups.append(left[near].tolist())
        left = left[~near]
    return groups


def _grown(boxes: Tensor, offset: int) -> Tensor:
    return boxes + boxes.new_tensor([0, 0, offset, offset]) if offset else boxes

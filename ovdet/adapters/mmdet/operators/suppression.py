"""Which of overlapping boxes stay.

Shapes: N boxes, xyxy; ``offset`` 1 counts a box's last pixel as part of it, 0 does not.
"""

import torch
import torchvision
from torch import Tensor

from ovdet.ops import SoftRule, box_iou, soft_nms

_METHODS = ("hard", "linear", "gaussian")  # by mmcv's numbers


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
    rule = SoftRule(_METHODS[method], iou_threshold, sigma, min_score)
    one = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    kept, lowered = soft_nms(_grown(boxes, offset), scores, one, rule)
    dets[: len(kept), :4] = boxes[kept]
    dets[: len(kept), 4] = lowered
    return kept


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

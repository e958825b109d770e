"""Which of overlapping boxes stay.

Shapes: N boxes, xyxy; ``offset`` 1 counts a box's last pixel as part of it, 0 does not.
"""

import torch
import torchvision
from torch import Tensor

from ovdet.ops import box_iou

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
    grown = _grown(boxes, offset)
    left = torch.arange(len(boxes))
    scores = scores.clone()
    kept: list[int] = []
    while len(left):
        best = int(left[scores[left].argmax()])
        dets[len(kept), :4] = boxes[best]
        dets[len(kept), 4] = scores[best]
        kept.append(best)
        left = left[left != best]
        overlap = box_iou(grown[best, None], grown[left])[0]
        if method in (_HARD, _LINEAR):
            share = 1 - overlap if method == _LINEAR else torch.zeros_like(overlap)
            share = torch.where(overlap >= iou_threshold, share, 1.0)
        else:
            share = (-(overlap**2) / sigma).exp()
        scores[left] *= share
        left = left[scores[left] >= min_score]
    return torch.tensor(kept, dtype=torch.int64)


def _grown(boxes: Tensor, offset: int) -> Tensor:
    return boxes + boxes.new_tensor([0, 0, offset, offset]) if offset else boxes

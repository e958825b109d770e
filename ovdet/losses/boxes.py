"""Losses of boxes against boxes, row by row."""

import torch
from torch import Tensor

from ovdet.ops import box_area, to_centre_side


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - GIoU of each row (Rezatofighi et al., CVPR 2019, Alg. 2).

    Args:
        boxes: [R, 4], xyxy.
        targets: [R, 4], xyxy, in the same unit.

    Returns:
        [R], in [0, 2], at least float32.
    """
    boxes, targets = boxes.float(), targets.float()
    inner = _sides(
        torch.maximum(boxes[:, :2], targets[:, :2]), torch.minimum(boxes[:, 2:], targets[:, 2:])
    )
    outer = _sides(
        torch.minimum(boxes[:, :2], targets[:, :2]), torch.maximum(boxes[:, 2:], targets[:, 2:])
    )
    overlap, hull = inner.prod(dim=1), outer.prod(dim=1).clamp(min=1e-9)
    union = (box_area(boxes) + box_area(targets) - overlap).clamp(min=1e-9)
    return 1 - (overlap / union - (hull - union) / hull)


def l1_loss(boxes: Tensor, targets: Tensor, extent: Tensor) -> Tensor:
    """Return the distance of each row's centre and sides, as parts of the picture.

    Args:
        boxes: [R, 4], xyxy, px.
        targets: [R, 4], xyxy, px.
        extent: [2], width and height of the picture, px.

    Returns:
        [R], the sum over cx, cy, w, h; at least float32.
    """
    unit = extent.float().repeat(2)
    return ((to_centre_side(boxes.float()) - to_centre_side(targets.float())) / unit).abs().sum(1)


def _sides(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0)

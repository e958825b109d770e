"""Boxes, xyxy in px: geometry, and the deltas a box head predicts. No state."""

import math

import torch
from torch import Tensor

# A predicted side may grow at most by this factor's exponent, so that exp cannot overflow.
MAX_LOG_SCALE = math.log(1000.0 / 16)


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas [R] of boxes [R, 4], px²; turned boxes count as 0."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    return sides[:, 0] * sides[:, 1]


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of every pair, [N, M], 0 where both are empty.

    Args:
        first: [N, 4], xyxy.
        second: [M, 4], xyxy.
    """
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = (high - low).clamp(min=0)
    overlap = sides[..., 0] * sides[..., 1]
    union = box_area(first)[:, None] + box_area(second)[None] - overlap
    return overlap / union.clamp(min=1e-9)


def generalized_box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalized intersection over union of every pair, [N, M], in [-1, 1].

    Rezatofighi et al., 2019, Eq. 2: what of the smallest box around both is left empty is taken
    from the IoU, so that boxes apart from each other are still told near from far.

    Args:
        first: [N, 4], xyxy, x1 <= x2 and y1 <= y2.
        second: [M, 4], xyxy.
    """
    from torchvision.ops import generalized_box_iou as overlap

    pairs: Tensor = overlap(first, second)
    return pairs


def enlarge_boxes(boxes: Tensor, scale: float, height: int, width: int) -> Tensor:
    """Scale boxes about their centres, then clip them to the image.

    Args:
        boxes: [R, 4], xyxy, px.
        scale: New side over old side.
        height: Image height, px.
        width: Image width, px.

    Returns:
        [R, 4].
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    return clip_boxes(torch.cat([centre - half, centre + half], dim=1), height, width)


def square_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Widen the shorter side of boxes to the longer one, about their centres.

    A square that would leave the image is moved into it; one larger than the image is clipped.

    Args:
        boxes: [R, 4], xyxy, px.
        height: Image height, px.
        width: Image width, px.

    Returns:
        [R, 4].
    """
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    limit = boxes.new_tensor([width, height])
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    centre = torch.minimum(torch.maximum(centre, half), torch.maximum(limit - half, half))
    return clip_boxes(torch.cat([centre - half, centre + half], dim=1), height, width)


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return boxes [..., 4] moved inside an image of ``height`` x ``width`` px."""
    sides = (width, height, width, height)  # symbols while torch.export traces: no tensor of them
    clipped = [boxes[..., i].clamp(0, side) for i, side in enumerate(sides)]
    return torch.stack(clipped, dim=-1)


def to_centre_side(boxes: Tensor) -> Tensor:
    """Turn xyxy [..., 4] into centre and side: cx, cy, w, h."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def from_centre_side(boxes: Tensor) -> Tensor:
    """Turn cx, cy, w, h [..., 4] into xyxy; undoes :func:`to_centre_side`."""
    centre, side = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - side / 2, centre + side / 2], dim=-1)


def grid_cells(height: int, width: int, stride: int) -> Tensor:
    """Return the cells of a map of ``height`` x ``width``, [height * width, 4], xyxy, px.

    Row by row from the top; ``stride`` is the side of a cell, px.
    """
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    corner = torch.stack([x, y], dim=-1).reshape(-1, 2) * float(stride)
    return torch.cat([corner, corner + stride], dim=1)


def encode_deltas(boxes: Tensor, targets: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Return the deltas [R, 4] that turn ``boxes`` into ``targets`` (R-CNN, Girshick 2014, App. C).

    Args:
        boxes: [R, 4], xyxy, px, both sides positive.
        targets: [R, 4], xyxy, px, both sides positive.
        weights: Multipliers of (dx, dy, dw, dh).
    """
    centre, side = _centre_side(boxes)
    target_centre, target_side = _centre_side(targets)
    shift = (target_centre - centre) / side
    growth = torch.log(target_side / side)
    return torch.cat([shift, growth], dim=1) * boxes.new_tensor(weights)


def decode_deltas(boxes: Tensor, deltas: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Return ``boxes`` [R, 4] moved by ``deltas`` [R, 4]; undoes :func:`encode_deltas`."""
    centre, side = _centre_side(boxes)
    deltas = deltas / boxes.new_tensor(weights)
    centre = centre + deltas[:, :2] * side
    side = side * deltas[:, 2:].clamp(max=MAX_LOG_SCALE).exp()
    return torch.cat([centre - side / 2, centre + side / 2], dim=1)


def _centre_side(boxes: Tensor) -> tuple[Tensor, Tensor]:
    side = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
    return boxes[:, :2] + side / 2, side

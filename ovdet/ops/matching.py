"""Which truth a region belongs to, and which regions to learn from. No state."""

import torch
from torch import Tensor

from ovdet.ops.boxes import box_iou


def match_regions(boxes: Tensor, truth: Tensor, threshold: float) -> Tensor:
    """Assign each box to the truth it overlaps most.

    Args:
        boxes: [R, 4], xyxy.
        truth: [G, 4], xyxy, of the same image.
        threshold: Least intersection over union.

    Returns:
        [R], int64, index into ``truth``, -1 where no truth reaches ``threshold``.
    """
    overlap, index = best_overlap(boxes, truth)
    return torch.where(overlap >= threshold, index, -1)


def match_hungarian(cost: Tensor) -> Tensor:
    """Pair rows with columns one to one at the least total cost.

    Args:
        cost: [P, G], finite: what it costs to give prediction p the truth g.

    Returns:
        [N, 2], int64, (p, g), N = min(P, G), by rising p; on ``cost``'s device.

    Raises:
        ValueError: If a cost is NaN or infinite.
    """
    from scipy.optimize import linear_sum_assignment

    table = cost.detach().float().cpu()
    if not torch.isfinite(table).all():
        p, g = (~torch.isfinite(table)).nonzero()[0].tolist()
        raise ValueError(f"costs must be finite, got {table[p, g].item()} for pair ({p}, {g})")
    rows, columns = linear_sum_assignment(table.numpy())
    pairs = torch.stack([torch.as_tensor(rows), torch.as_tensor(columns)], dim=1)
    return pairs.to(cost.device, torch.int64)


def best_overlap(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much each box overlaps the truth that it overlaps most, and which one that is.

    Args:
        boxes: [R, 4], xyxy.
        truth: [G, 4], xyxy, of the same image.

    Returns:
        Intersection over union [R], and [R], int64, index into ``truth``; 0 and -1 when G is 0.
    """
    if len(truth) == 0:
        return boxes.new_zeros(len(boxes)), boxes.new_full((len(boxes),), -1, dtype=torch.int64)
    overlap, index = box_iou(boxes, truth).max(dim=1)
    return overlap, index


def sample_balanced(matches: Tensor, count: int, positive_share: float) -> Tensor:
    """Draw indices of at most ``count`` regions, at most ``positive_share`` of them matched.

    Draws from torch's global generator.

    Args:
        matches: [R], -1 for background.
        count: How many to draw.
        positive_share: In [0, 1].

    Returns:
        Indices into ``matches``, matched ones first.
    """
    positive = (matches >= 0).nonzero().squeeze(1)
    negative = (matches < 0).nonzero().squeeze(1)
    positive = _draw(positive, round(count * positive_share))
    return torch.cat([positive, _draw(negative, count - len(positive))])


def _draw(index: Tensor, count: int) -> Tensor:
    return index[torch.randperm(len(index), device=index.device)[:count]]

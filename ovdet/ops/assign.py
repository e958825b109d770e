"""Which places learn which object, where every place has one anchor. No state."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ovdet.ops.boxes import box_iou

_INSIDE = 0.01  # px between an anchor's centre and every side of its object, at least


def assign_atss(places: Tensor, counts: Sequence[int], truth: Tensor, *, top: int = 9) -> Tensor:
    """Assign anchors to objects by a threshold that each object sets for itself (ATSS).

    Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection", CVPR 2020,
    Alg. 1: of every level the ``top`` anchors nearest to an object's centre are candidates; those
    are taken whose IoU reaches mean plus standard deviation of the candidates' and whose centre
    lies in the object. An anchor that two objects want goes to the one it overlaps more.

    Args:
        places: [P, 4], xyxy, px, the anchors of all levels in a row.
        counts: Anchors of each level; their sum is P.
        truth: [G, 4], xyxy, px.
        top: Candidates of a level.

    Returns:
        [P], int64, index into ``truth``, -1 where an anchor has no object.

    Raises:
        ValueError: If ``counts`` do not add up to P.
    """
    if sum(counts) != len(places):
        raise ValueError(f"counts must add up to {len(places)} places, got {list(counts)}")
    if len(truth) == 0:
        return torch.full((len(places),), -1, dtype=torch.int64, device=places.device)
    overlap = box_iou(places, truth)  # [P, G]
    candidates = _nearest(places, counts, truth, top)  # [K, G]
    own = overlap.gather(0, candidates)
    spread = own.std(dim=0) if len(own) > 1 else torch.zeros_like(own[0])
    centre = (places[:, :2] + places[:, 2:]) / 2
    sides = torch.cat([centre[:, None] - truth[:, :2], truth[:, 2:] - centre[:, None]], dim=2)
    inside = sides.amin(dim=2) > _INSIDE  # [P, G]
    good = (own >= own.mean(dim=0) + spread) & inside.gather(0, candidates)
    taken = torch.zeros_like(inside).scatter(0, candidates, good)
    best, index = overlap.masked_fill(~taken, -1).max(dim=1)
    return torch.where(best >= 0, index, -1)


def _nearest(places: Tensor, counts: Sequence[int], truth: Tensor, top: int) -> Tensor:
    """Return [K, G], the anchors of each level nearest to each object's centre."""
    centre = (places[:, :2] + places[:, 2:]) / 2
    wanted = (truth[:, :2] + truth[:, 2:]) / 2
    distance = (centre[:, None] - wanted).pow(2).sum(dim=2)  # [P, G]
    found, start = [], 0
    for count in counts:
        level = distance[start : start + count]
        found.append(level.topk(min(top, count), dim=0, largest=False).indices + start)
        start += count
    return torch.cat(found)


def centerness(places: Tensor, boxes: Tensor) -> Tensor:
    """Return how central each anchor's centre is in its object, in [0, 1] (FCOS, Tian 2019, Eq. 3).

    Args:
        places: [R, 4], xyxy, px.
        boxes: [R, 4], the object of each; its sides lie around the anchor's centre.
    """
    centre = (places[:, :2] + places[:, 2:]) / 2
    low, high = centre - boxes[:, :2], boxes[:, 2:] - centre
    sides = torch.stack([low, high]).clamp(min=0)
    share = sides.amin(dim=0) / sides.amax(dim=0).clamp(min=1e-6)  # [R, 2]
    return share.prod(dim=1).sqrt()

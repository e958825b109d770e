"""Which of overlapping boxes stay, among many classes. No state.

Boxes are sorted once and compared within their class alone: none is moved to keep classes apart,
which would cost a coordinate's last digits. Shapes: N boxes, R regions, C classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.ops.best import best_places
from ovdet.structures import InputError

_SMALL = 64  # boxes of a class up to which classes of like size are compared together
_PAIRS = 2**22  # overlaps at a time: 16 MiB in float32
_KINDS = ("hard", "linear", "gaussian")


def batched_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    threshold: float,
    *,
    top: int | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """Return which boxes no better one of the same class overlaps too much, best first.

    The set is that of a greedy pass over each class by itself, as torchvision's ``nms`` makes it.
    Where only some are wanted, boxes are taken by falling score until there are as many: a box's
    fate depends on better ones alone. Memory grows with N.

    Args:
        boxes: [N, 4], xyxy; half precision is compared in float32.
        scores: [N]. Equal ones keep their order.
        labels: [N], int64, at least 0.
        threshold: Overlap above which the worse box goes, in [0, 1].
        top: Most boxes returned; all when None.
        groups: [C], int64, a number for each class: classes of one number suppress each other, as
            synonyms do. None when every class is by itself.

    Returns:
        [K], int64, places among the N.

    Raises:
        InputError: If shapes disagree, ``threshold`` lies outside [0, 1], or ``top`` is below 0.
    """
    _check(boxes, scores, labels)
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold must lie in [0, 1], got {threshold}")
    if top is not None and top < 0:
        raise InputError(f"top must be at least 0 boxes, got {top}")
    labels = labels if groups is None else groups[labels]
    order = scores.argsort(descending=True, stable=True)
    most = len(order) if top is None else min(top, len(order))
    seen = len(order) if top is None else min(max(2 * top, 256), len(order))
    while True:
        places = order[:seen]
        stay = _greedy(_wide(boxes[places]), labels[places], threshold)
        kept = places[stay][:most]
        if len(kept) == most or seen == len(order):
            return kept
        seen = min(4 * seen, len(order))


def multiclass_nms(
    boxes: Tensor,
    scores: Tensor,
    threshold: float,
    *,
    top: int,
    floor: float = 0.0,
    groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the best (region, class) pairs after suppression within each class.

    The same pairs as :func:`batched_nms` of all R C pairs above the floor would give, of which only
    so many of the best are looked at as are needed for ``top`` to stay.

    Args:
        boxes: [R, 4], xyxy.
        scores: [R, C].
        threshold: As for :func:`batched_nms`.
        top: Most pairs.
        floor: Scores must be above it.
        groups: As for :func:`batched_nms`.

    Returns:
        Regions and classes, [K] each, int64, best first; equal scores by region, then by class.

    Raises:
        InputError: If there is not one row of scores a box, or as :func:`batched_nms`.
    """
    if scores.ndim != 2 or len(scores) != len(boxes):
        raise InputError(f"scores must be [{len(boxes)}, C], got {list(scores.shape)}")
    flat, classes = scores.flatten(), max(scores.shape[1], 1)
    count = max(4 * top, 256)
    while True:
        pairs = best_places(flat, count, floor)
        rows, labels = pairs // classes, pairs % classes
        kept = batched_nms(boxes[rows], flat[pairs], labels, threshold, top=top, groups=groups)
        if len(kept) == top or len(pairs) < count:
            return rows[kept], labels[kept]
        count *= 4


@dataclass(frozen=True)
class SoftRule:
    """How much of its score a box keeps beside a better one (Soft-NMS, Bodla 2017, Sec. 3).

    Attributes:
        kind: ``linear`` takes the overlap away from ``overlap`` on, ``gaussian`` at any overlap,
            ``hard`` leaves nothing from ``overlap`` on.
        overlap: Least overlap that counts; not read by ``gaussian``.
        sigma: Of the Gaussian, above 0.
        least: A box goes whose score falls below this.

    Raises:
        InputError: If ``kind`` is unknown or ``sigma`` is not above 0.
    """

    kind: str = "gaussian"
    overlap: float = 0.3
    sigma: float = 0.5
    least: float = 1e-3

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(f"kind must be one of {_KINDS}, got {self.kind!r}")
        if self.sigma <= 0:
            raise InputError(f"sigma must be above 0, got {self.sigma}")

    def share(self, overlap: Tensor) -> Tensor:
        """Return the part of their scores that boxes keep, by their overlap with a better one."""
        if self.kind == "gaussian":
            return (-(overlap**2) / self.sigma).exp()
        left = 1 - overlap if self.kind == "linear" else torch.zeros_like(overlap)
        return torch.where(overlap >= self.overlap, left, 1.0)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    rule: SoftRule,
    *,
    groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that a better one of the same class overlaps.

    All classes take their next best box at the same time: as many steps as the largest class has
    boxes, each over the boxes that are left.

    Args:
        boxes: [N, 4], xyxy.
        scores: [N].
        labels: [N], int64, at least 0.
        rule: How much is left of a score.
        groups: As for :func:`batched_nms`.

    Returns:
        Places [K], int64, of the boxes that stay, and their new scores, best first.

    Raises:
        InputError: If shapes disagree.
    """
    _check(boxes, scores, labels)
    labels = labels if groups is None else groups[labels]
    _, labels = torch.unique(labels, return_inverse=True)
    left = (~scores.isnan()).nonzero().flatten()
    wide, scores = _wide(boxes), scores.clone()
    chosen = [left[:0]]
    while len(left):
        best = _best_of_each(scores[left], labels[left])  # [classes], places among those left
        chosen.append(left[best[best < len(left)]])
        rival = left[best[labels[left]]]
        others = rival != left
        left, rival = left[others], rival[others]
        overlap = _overlap(wide[left], wide[rival]).nan_to_num_(nan=0)
        scores[left] *= rule.share(overlap).to(scores.dtype)
        left = left[scores[left] >= rule.least]
    places = torch.cat(chosen)
    places = places[scores[places].argsort(descending=True, stable=True)]
    return places, scores[places]


def _best_of_each(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the place of the first best score of each class, the number of scores where none."""
    count = int(labels.max()) + 1
    best = scores.new_full((count,), -torch.inf).scatter_reduce(0, labels, scores, "amax")
    tied = (scores == best[labels]).nonzero().flatten()
    place = torch.full((count,), len(scores), device=scores.device)
    return place.scatter_reduce(0, labels[tied], tied, "amin")


def _greedy(boxes: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Return which boxes stay, [n], of boxes sorted best first."""
    from torchvision.ops import nms

    stay = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    by_class = labels.argsort(stable=True)
    counts = torch.unique_consecutive(labels[by_class], return_counts=True)[1]
    starts = counts.cumsum(0) - counts
    large = counts > _SMALL
    for start, count in zip(starts[large].tolist(), counts[large].tolist(), strict=True):
        one = by_class[start : start + count]
        kept = nms(boxes[one], torch.arange(count, 0, -1, device=boxes.device).float(), threshold)
        stay[one] = False
        stay[one[kept]] = True
    for members in _of_like_size(by_class, starts[~large], counts[~large]):
        real = members >= 0
        stay[members[real]] = _greedy_in_each(boxes[members], real, threshold)[real]
    return stay


def _of_like_size(by_class: Tensor, starts: Tensor, counts: Tensor) -> Iterator[Tensor]:
    """Yield the boxes of classes that have about as many, [G, m], filled up with -1."""
    size = 2
    while size <= _SMALL:
        rows = ((counts > size // 2) & (counts <= size)).nonzero().flatten()
        for some in torch.split(rows, max(1, _PAIRS // size**2)):
            place = torch.arange(size, device=by_class.device)
            members = by_class[(starts[some, None] + place).clamp(max=len(by_class) - 1)]
            if len(some):
                yield torch.where(place < counts[some, None], members, -1)
        size *= 2


def _greedy_in_each(boxes: Tensor, real: Tensor, threshold: float) -> Tensor:
    """Return which boxes stay, [G, m], of G classes' boxes [G, m, 4], best first."""
    over = _overlap(boxes[:, :, None], boxes[:, None]) > threshold  # [G, m, m]
    stay = real
    for better in range(boxes.shape[1] - 1):
        over[:, better, : better + 1] = False
        stay = stay & ~(over[:, better] & stay[:, better, None])
    return stay


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """Return intersection over union as torchvision's ``nms`` rounds it; NaN where both are 0."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    inside = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(one[..., 2:] - one[..., :2]).prod(dim=-1) for one in (first, second)]
    return inside / (areas[0] + areas[1] - inside)


def _wide(boxes: Tensor) -> Tensor:
    return boxes.to(torch.promote_types(boxes.dtype, torch.float32))


def _check(boxes: Tensor, scores: Tensor, labels: Tensor) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"boxes must be [N, 4], got {list(boxes.shape)}")
    for name, value in (("scores", scores), ("labels", labels)):
        if value.shape != boxes.shape[:1]:
            raise InputError(f"{name} must be [{len(boxes)}], got {list(value.shape)}")

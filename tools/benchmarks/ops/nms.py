"""Suppression among many classes beside torchvision's and the way mmdet goes."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from case import Case

if TYPE_CHECKING:
    from torch import Tensor

_OVERLAP, _FLOOR, _TOP = 0.5, 1e-4, 300
_WIDE, _HIGH = 1333, 800


def cases(device: str) -> Iterator[Case]:
    """Yield all pairs of regions and names, then labelled boxes."""
    import torch

    generator = torch.Generator().manual_seed(0)
    boxes = _boxes(1000, generator).to(device)
    logits = torch.randn(1000, 1203, generator=generator) * 2 - 5
    yield _pairs(boxes, logits.sigmoid().to(device))
    for count, classes in ((1000, 1203), (20_000, 20_000)):
        boxes = _boxes(count, generator).to(device)
        scores = torch.rand(count, generator=generator).to(device)
        labels = torch.randint(0, classes, (count,), generator=generator).to(device)
        yield _labelled(boxes, scores, labels, classes)


def _boxes(count: int, generator: object) -> "Tensor":
    """Return boxes about 60 places of a picture of 800 x 1333, so that many overlap."""
    import torch

    places = torch.rand(60, 2, generator=generator) * torch.tensor([_WIDE - 200, _HIGH - 200])
    corner = places[torch.arange(count) % 60] + torch.rand(count, 2, generator=generator) * 30
    return torch.cat([corner, corner + 60 + torch.rand(count, 2, generator=generator) * 80], dim=1)


def _pairs(boxes: "Tensor", scores: "Tensor") -> Case:
    from torchvision.ops import batched_nms

    from ovdet.ops import multiclass_nms

    def ours() -> object:
        return multiclass_nms(boxes, scores, _OVERLAP, top=_TOP, floor=_FLOOR)

    def expanded() -> object:
        """Repeat each box for each class, leave out low scores, suppress the rest, keep 300."""
        every = boxes[:, None].expand(-1, scores.shape[1], 4).reshape(-1, 4)
        above = (scores.flatten() > _FLOOR).nonzero().flatten()
        rows, labels = above // scores.shape[1], above % scores.shape[1]
        kept = batched_nms(every[above], scores.flatten()[above], labels, _OVERLAP)[:_TOP]
        return rows[kept], labels[kept]

    shape = f"{len(boxes):,} boxes x {scores.shape[1]:,} classes, above {_FLOOR:g}, {_TOP} kept"
    others: dict[str, Callable[[], object]] = {"as mmdet, torchvision": expanded}
    moved = (boxes.numel() + scores.numel()) * 4
    return Case("multiclass_nms", shape, ours, others, _same_pairs, moved)


def _labelled(boxes: "Tensor", scores: "Tensor", labels: "Tensor", classes: int) -> Case:
    import torchvision

    from ovdet.ops import batched_nms

    others: dict[str, Callable[[], object]] = {
        "torchvision": lambda: torchvision.ops.batched_nms(boxes, scores, labels, _OVERLAP)
    }
    shape = f"{len(boxes):,} boxes of {classes:,} classes"
    moved = boxes.numel() * 4 + scores.numel() * 4 + labels.numel() * 8
    return Case(
        "batched_nms",
        shape,
        lambda: batched_nms(boxes, scores, labels, _OVERLAP),
        others,
        _same_places,
        moved,
    )


def _same_pairs(ours: object, other: object) -> str | None:
    pairs = [set(zip(*(part.tolist() for part in both), strict=True)) for both in (ours, other)]
    missing = len(pairs[0] ^ pairs[1])
    return f"{missing} pairs are in one answer alone" if missing else None


def _same_places(ours: object, other: object) -> str | None:
    missing = len(set(ours.tolist()) ^ set(other.tolist()))
    return f"{missing} boxes are in one answer alone" if missing else None

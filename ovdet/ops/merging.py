"""From masks of queries to what is asked of pixels: one class each, objects, or segments. No state.

Masks are read at the pixels of the stored picture, a strip of rows or a mask at a time, so that
neither all queries nor all classes are ever held at full size.

Shapes: Q queries, C classes, h w cells of a mask, H W px.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.ops.masks import mask_boxes
from ovdet.structures import Regions

_AT_ONCE = 2**24  # numbers held at a time: 64 MiB in float32


@dataclass(frozen=True)
class Window:
    """Where the pixels of a picture lie on maps of cells.

    Attributes:
        rows: [H], the centre of each row of pixels, in cells, 0 at the centre of the first.
        columns: [W], likewise.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def of(
        cls, size: tuple[int, int], steps: tuple[float, float], device: torch.device | str = "cpu"
    ) -> "Window":
        """Return the window of a picture whose corner is the maps' corner.

        Args:
            size: (H, W), px.
            steps: Cells a pixel, down and across.
            device: Of the maps.
        """
        rows, columns = (
            (torch.arange(count, device=device) + 0.5) * step - 0.5
            for count, step in zip(size, steps, strict=True)
        )
        return cls(rows, columns)

    @property
    def size(self) -> tuple[int, int]:
        """Return (H, W), px."""
        return len(self.rows), len(self.columns)

    def read(self, maps: Tensor) -> Tensor:
        """Return maps [N, h, w] at the pixels, bilinearly, [N, H, W]; edges reach outwards."""
        return _between(_between(maps, self.rows, 1), self.columns, 2)

    def strips(self, planes: int) -> Iterator[tuple[slice, "Window"]]:
        """Yield strips of rows, each of so few that ``planes`` maps of it fit into memory."""
        height, width = self.size
        step = max(1, _AT_ONCE // max(1, planes * width))
        for start in range(0, height, step):
            rows = slice(start, min(start + step, height))
            yield rows, Window(self.rows[rows], self.columns)


def _between(maps: Tensor, places: Tensor, axis: int) -> Tensor:
    last = maps.shape[axis] - 1
    places = places.clamp(0, last)
    low = places.floor().long()
    share = (places - low).to(maps.dtype)
    share = share[:, None] if axis == 1 else share
    first = maps.index_select(axis, low)
    return first.lerp_(maps.index_select(axis, (low + 1).clamp(max=last)), share.expand_as(first))


def semantic_labels(
    scores: Tensor, logits: Tensor, window: Window, shift: Tensor | None = None
) -> Tensor:
    """Give each pixel the class whose queries' masks hold it most (MaskFormer, Sec. 3.4).

    Args:
        scores: [Q, C], of each query's classes, in [0, 1].
        logits: [Q, h, w], whose sigmoid is a query's mask.
        window: Where the H x W px lie on the masks.
        shift: [C], added to a class's sum before the best is chosen; None for none.

    Returns:
        [H, W], int64, 0 to C - 1.
    """
    labels = torch.zeros(window.size, dtype=torch.int64, device=logits.device)
    for rows, strip in window.strips(sum(scores.shape)):
        masks = strip.read(logits).sigmoid_()
        sums = torch.einsum("qc,qhw->chw", scores, masks)
        if shift is not None:
            sums += shift[:, None, None]
        labels[rows] = sums.argmax(dim=0)
    return labels


def instance_regions(
    scores: Tensor, logits: Tensor, window: Window, *, top: int, threshold: float = 0.5
) -> Regions:
    """Return the best (query, class) pairs as objects (Mask2Former, Sec. 4.1).

    A pair's score is its class's times the mean of the mask over what it covers.

    Args:
        scores: [Q, C], in [0, 1].
        logits: [Q, h, w].
        window: Where the H x W px lie on the masks.
        top: Most pairs.
        threshold: A pixel belongs to a mask above this, in (0, 1).

    Returns:
        Regions with scores, labels and ``masks`` [R, H, W], bool, best first; boxes are the masks'
        own. Queries that cover no pixel are left out.
    """
    best, place = scores.flatten().topk(min(top, scores.numel()))
    query, labels = place // scores.shape[1], place % scores.shape[1]
    used, index = torch.unique(query, return_inverse=True)
    masks = torch.zeros(len(used), *window.size, dtype=torch.bool, device=logits.device)
    quality = scores.new_zeros(len(used))
    for row, number in enumerate(used.tolist()):
        inside = window.read(logits[number : number + 1])[0].sigmoid_()
        masks[row] = inside > threshold
        quality[row] = inside[masks[row]].mean() if masks[row].any() else 0
    final = (best * quality[index]).float()
    order = final.argsort(descending=True, stable=True)
    order = order[masks.flatten(1).any(dim=1)[index[order]]]
    found, index = masks[index[order]], index[order]
    owner = torch.zeros_like(index)
    return Regions(mask_boxes(found), owner, final[order], labels[order], masks=found)


@dataclass(frozen=True)
class SegmentRule:
    """Which pixels a query keeps of those it wins.

    Attributes:
        mask: A pixel belongs to a mask from this on, in (0, 1).
        overlap: Least part of its mask that a query must win to be a segment, in [0, 1].
    """

    mask: float = 0.5
    overlap: float = 0.8


def panoptic_segments(
    scores: Tensor,
    labels: Tensor,
    logits: Tensor,
    window: Window,
    stuff: Tensor,
    rule: SegmentRule | None = None,
) -> tuple[Tensor, dict[int, int]]:
    """Divide a picture into segments: each pixel goes to the query of most score times mask.

    MaskFormer, Sec. 3.4: a query that wins too little of its own mask is dropped, its pixels are
    void; queries of one kind of stuff are one segment.

    Args:
        scores: [Q], in [0, 1], of queries that may be segments.
        labels: [Q], their classes.
        logits: [Q, h, w].
        window: Where the H x W px lie on the masks.
        stuff: [C], bool, classes that are not countable.
        rule: Which pixels a query keeps.

    Returns:
        Segment ids [H, W], int64, from 1 on, 0 for void; and {id: class}, an entry for each id that
        has a pixel.
    """
    rule = rule or SegmentRule()
    winner, inside, areas = _winners(scores, logits, window, rule.mask)
    ids = torch.zeros(window.size, dtype=torch.int64, device=logits.device)
    won, kept = (
        torch.bincount(part.flatten(), minlength=len(scores)).tolist()
        for part in (winner, winner[inside])
    )
    classes: dict[int, int] = {}
    merged: dict[int, int] = {}
    for query, label in enumerate(labels.tolist()):
        if kept[query] == 0 or won[query] < rule.overlap * areas[query]:
            continue
        number = merged.get(label, len(classes) + 1)
        if stuff[label]:
            merged[label] = number
        classes[number] = label
        ids[(winner == query) & inside] = number
    return ids, classes


def _winners(
    scores: Tensor, logits: Tensor, window: Window, threshold: float
) -> tuple[Tensor, Tensor, list[int]]:
    """Return the winner of each pixel, whether it is in the winner's mask, and the masks' areas."""
    best = torch.full(window.size, -1.0, device=logits.device)
    winner = torch.zeros(window.size, dtype=torch.int64, device=logits.device)
    inside = torch.zeros(window.size, dtype=torch.bool, device=logits.device)
    areas: list[int] = []
    for query, score in enumerate(scores.tolist()):
        mask = window.read(logits[query : query + 1].float())[0].sigmoid_()
        own = mask >= threshold
        areas.append(int(own.sum()))
        value = mask.mul_(score)
        better = value > best
        best = torch.maximum(best, value)
        winner[better] = query
        inside = torch.where(better, own, inside)
    return winner, inside, areas

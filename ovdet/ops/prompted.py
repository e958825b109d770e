"""From boxes of rows to boxes of labels: the best row of a label counts, and some speak against.

Shapes: R regions, N rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ovdet.ops.boxes import box_iou
from ovdet.ops.nms import batched_nms
from ovdet.structures import Regions

OVERLAP = 0.5
"""From this IoU on two boxes are taken to be of one object."""


def collapse_rows(
    regions: Regions, owner: Tensor, against: Sequence[tuple[int, int]], overlap: float = OVERLAP
) -> Regions:
    """Turn what was found for rows into what was found for labels.

    A box of a label goes where a row that speaks against the label found the same object with a
    higher score. Of boxes that several rows of one label found, the best stays; a label with one
    row keeps all of its boxes.

    Args:
        regions: R regions of one image with scores; ``labels`` index the rows.
        owner: [N], int64, the label of each row, -1 for a row without one.
        against: Pairs (row, label).
        overlap: IoU above which two boxes are of one object, in [0, 1].

    Returns:
        Regions whose ``labels`` are labels, best first; equal scores keep their order.

    Raises:
        ValueError: If the regions have no scores or labels.
    """
    if regions.scores is None or regions.labels is None:
        raise ValueError("regions must have scores and labels to be collapsed, got none")
    rows, scores = regions.labels, regions.scores
    labels = owner.to(rows.device)[rows]
    kept = labels >= 0
    for row, label in against:
        kept &= ~_taken(regions, labels == label, rows == row, overlap)
    place = kept.nonzero().flatten()
    found = regions[place].with_(labels=labels[place])
    several = torch.bincount(owner[owner >= 0], minlength=1).to(rows.device)[labels[place]] > 1
    own = torch.arange(len(place), device=rows.device) + 1 + int(owner.max())
    group = torch.where(several, labels[place], own)  # one row: each box is by itself
    return found[batched_nms(found.boxes, scores[place], group, overlap)]


def one_each(regions: Regions, overlap: float = OVERLAP) -> Regions:
    """Return the regions of one image that no better one overlaps, whatever their labels.

    Raises:
        ValueError: If the regions have no scores.
    """
    if regions.scores is None:
        raise ValueError("regions must have scores, got none")
    same = torch.zeros_like(regions.owner)
    return regions[batched_nms(regions.boxes, regions.scores, same, overlap)]


def _taken(regions: Regions, mine: Tensor, theirs: Tensor, overlap: float) -> Tensor:
    """Return which regions are ``mine`` and one of ``theirs`` covers with a higher score, [R]."""
    taken = torch.zeros_like(mine)
    if regions.scores is None or not (mine.any() and theirs.any()):
        return taken
    covers = box_iou(regions.boxes[mine].float(), regions.boxes[theirs].float()) > overlap
    higher = regions.scores[theirs] > regions.scores[mine][:, None]
    taken[mine] = (covers & higher).any(dim=1)
    return taken

"""The last steps that detectors share: scored pairs to the boxes that come back.

Shapes: B images, R regions an image, C classes, K candidates, N boxes found, H W px.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ovdet.detectors import Selection
from ovdet.export.fixed import NOTHING, apart, best, pick, within
from ovdet.structures import Regions

OUTPUTS = ("boxes", "scores", "labels", "owner")
"""What ``Found`` holds, as a graph's outputs."""


class Found(NamedTuple):
    """The boxes of a batch, each image's best first.

    Attributes:
        boxes: [N, 4], xyxy, px of the images.
        scores: [N].
        labels: [N], int64, rows of the text.
        owner: [N], int64, the image of each.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    owner: Tensor

    def regions(self) -> Regions:
        """Return the boxes with their images."""
        return Regions(self.boxes, self.owner)

    def within(self, sizes: Tensor) -> "Found":
        """Return the boxes clipped to their pictures, of ``sizes`` [B, 2], (height, width)."""
        return self._replace(boxes=within(self.boxes[:, None], sizes[self.owner])[:, 0])


def select(boxes: Tensor, scores: Tensor, selection: Selection) -> Found:
    """Return the boxes that an assembly's selection would give back.

    Args:
        boxes: [B, R, 4], xyxy, px.
        scores: [B, R, C], ``NOTHING`` where a pair takes no part.
        selection: How many pairs enter, and how much they may overlap.
    """
    classes = scores.shape[2]
    kept, index = best(scores.flatten(1), selection.candidates)
    row = index // classes
    own, labels = pick(boxes, row), index - row * classes
    if selection.nms is not None:
        stay = apart(own, labels, kept > NOTHING, selection.nms)
        kept = torch.where(stay, kept, NOTHING)
    kept, index = best(kept, selection.top)
    own, labels = pick(own, index), labels.gather(1, index)
    owner, place = (kept > NOTHING).nonzero(as_tuple=True)
    return Found(own[owner, place], kept[owner, place], labels[owner, place], owner)

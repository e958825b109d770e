"""The class-agnostic box head, and the choice of regions it learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops import clip_boxes, decode_deltas, encode_deltas, match_regions, sample_balanced
from ovdet.registry import MODELS
from ovdet.structures import Regions

_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


@dataclass
class Assignment:
    """Regions to learn from, each with its truth.

    Attributes:
        regions: R regions; ``labels`` hold the class, C for background.
        matches: [R], int64, index into ``truth``, -1 for background.
        truth: G objects of the whole batch.
    """

    regions: Regions
    matches: Tensor
    truth: Regions

    @property
    def positive(self) -> Tensor:
        """[P], indices of the regions that have an object."""
        return (self.matches >= 0).nonzero().squeeze(1)


@MODELS.register_module()
class RegionSampler(nn.Module):
    """Picks the regions a batch learns from (Fast R-CNN, Girshick 2015, Sec. 2.3).

    Args:
        count: Regions an image.
        positive: Largest share of them with an object, in [0, 1].
        iou: Overlap from which a region has an object.
    """

    def __init__(self, *, count: int = 64, positive: float = 0.25, iou: float = 0.5) -> None:
        super().__init__()
        self.count = count
        self.positive = positive
        self.iou = iou

    def forward(
        self, proposals: Regions, truth: Sequence[Regions | None], classes: int
    ) -> Assignment:
        """Add the truth to the proposals, match, and draw.

        Args:
            proposals: Regions of the batch.
            truth: Each image's objects, labelled; None for an image that is not drawn from.
            classes: C, the label of background.
        """
        offset = 0
        picked: list[Regions] = []
        matches: list[Tensor] = []
        for index, objects in enumerate(truth):
            if objects is None:
                picked.append(Regions.empty(proposals.boxes.device))
                continue
            boxes = torch.cat([proposals.of_image(index).boxes, objects.boxes])
            match = match_regions(boxes, objects.boxes, self.iou)
            chosen = sample_balanced(match, self.count, self.positive)
            match = match[chosen]
            labels = torch.full_like(match, classes)
            labels[match >= 0] = _labels(objects)[match[match >= 0]]
            picked.append(Regions(boxes[chosen], torch.zeros_like(match), labels=labels))
            matches.append(torch.where(match >= 0, match + offset, -1))
            offset += len(objects)
        regions = Regions.gather(picked)
        known = [objects for objects in truth if objects is not None]
        return Assignment(regions, torch.cat(matches), Regions.gather(known))


def _labels(objects: Regions) -> Tensor:
    if objects.labels is None:
        return torch.zeros(len(objects), dtype=torch.int64, device=objects.boxes.device)
    return objects.labels


@MODELS.register_module()
class BoxHead(nn.Module):
    """Moves proposals onto objects, one box whatever the class.

    Args:
        hidden: F, width of what it reads.
        weight: Multiplies the loss.
    """

    def __init__(self, hidden: int, *, weight: float = 1.0) -> None:
        super().__init__()
        self.deltas = nn.Linear(hidden, 4)
        nn.init.normal_(self.deltas.weight, std=0.001)
        nn.init.zeros_(self.deltas.bias)
        self.weight = weight

    def loss(self, hidden: Tensor, assignment: Assignment) -> Tensor:
        """Return the smooth L1 loss (beta 1) of the positive regions, a mean over all R regions.

        Args:
            hidden: [R, F].
            assignment: The R regions with their truth.
        """
        rows = assignment.positive
        deltas = self.deltas(hidden[rows])
        targets = assignment.truth.boxes[assignment.matches[rows]]
        wanted = encode_deltas(assignment.regions.boxes[rows], targets, _WEIGHTS)
        distance = F.smooth_l1_loss(deltas, wanted, reduction="sum")
        return self.weight * distance / max(len(hidden), 1)

    def forward(self, hidden: Tensor, regions: Regions, images: Tensor) -> Regions:
        """Return the regions moved onto their objects, inside the images [B, 3, H, W].

        Args:
            hidden: [R, F].
            regions: The R regions ``hidden`` was read from.
            images: Read for their size alone.
        """
        height, width = images.shape[-2:]
        boxes = decode_deltas(regions.boxes, self.deltas(hidden), _WEIGHTS)
        return regions.with_(boxes=clip_boxes(boxes, height, width))

"""The class-agnostic mask head (Mask R-CNN, He 2017, Sec. 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.heads.boxes import Assignment
from ovdet.ops import pyramid_roi_align
from ovdet.ops.regions import crop_masks
from ovdet.registry import MODELS
from ovdet.structures import Regions


@MODELS.register_module()
class MaskHead(nn.Module):
    """One mask a region, whatever the class.

    Args:
        width: c, channels of the levels.
        convs: 3x3 convolutions before the upsampling.
        size: Pooled side; a mask has twice as many cells a side.
        levels: How many of the levels it reads, from the finest.
        count: Most regions learnt from in a batch.
        weight: Multiplies the loss.
    """

    def __init__(
        self,
        width: int,
        *,
        convs: int = 2,
        size: int = 14,
        levels: int = 3,
        count: int = 64,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(convs):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, width, 2, 2), nn.ReLU(), nn.Conv2d(width, 1, 1)]
        self.layers = nn.Sequential(*layers)
        self.size = size
        self.levels = levels
        self.count = count
        self.weight = weight

    def forward(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return mask logits [R, 2S, 2S], over each region's box."""
        pooled = pyramid_roi_align(levels[: self.levels], regions, self.size, image_size)
        logits: Tensor = self.layers(pooled)
        return logits[:, 0]

    def loss(self, levels: list[Tensor], assignment: Assignment, image_size: int) -> Tensor:
        """Return the binary cross entropy of the positive regions' masks.

        An object whose mask has no cell set counts as one whose mask is unknown. Zero, still on
        the graph, where no region has an object with a mask.
        """
        masks = assignment.truth.masks
        rows = assignment.positive
        if masks is not None:
            rows = rows[masks.flatten(1).any(dim=1)[assignment.matches[rows]]]
        rows = rows[torch.randperm(len(rows))[: self.count]]
        logits: Tensor = self(levels, assignment.regions[rows], image_size)
        if masks is None or len(rows) == 0:
            return logits.sum() * 0
        used, owner = torch.unique(assignment.matches[rows], return_inverse=True)
        boxes = assignment.regions.boxes[rows]
        wanted = crop_masks(masks[used], boxes, logits.shape[-1], owner)
        loss: Tensor = self.weight * F.binary_cross_entropy_with_logits(logits, wanted)
        return loss

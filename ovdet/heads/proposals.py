"""Class-agnostic proposals: torchvision's region proposal network behind the regions slot."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Regions


@MODELS.register_module()
class RpnProposals(nn.Module):
    """Anchors scored for objectness and moved onto objects (Faster R-CNN, Ren 2015, Sec. 3.1).

    Args:
        width: c, channels of the levels.
        sizes: Anchor side at each level, px, finest first.
        ratios: Height over width of the anchors.
        train_top: Proposals kept an image while training.
        test_top: Proposals kept an image otherwise.
        nms: Overlap above which the lower-scored proposal is dropped.
        positive_iou: Overlap with a truth above which an anchor learns to be an object.
        negative_iou: Overlap with every truth below which it learns not to be one; between the two
            it is not asked.
    """

    def __init__(
        self,
        width: int,
        sizes: Sequence[int],
        *,
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        train_top: int = 200,
        test_top: int = 200,
        nms: float = 0.7,
        positive_iou: float = 0.6,
        negative_iou: float = 0.3,
    ) -> None:
        super().__init__()
        from torchvision.models.detection.rpn import (
            AnchorGenerator,
            RegionProposalNetwork,
            RPNHead,
        )

        anchors = AnchorGenerator(tuple((s,) for s in sizes), (tuple(ratios),) * len(sizes))
        keep = {"training": train_top, "testing": test_top}
        self.levels = len(sizes)
        self.rpn = RegionProposalNetwork(
            anchors,
            RPNHead(width, len(ratios)),
            positive_iou,
            negative_iou,
            batch_size_per_image=128,
            positive_fraction=0.5,
            pre_nms_top_n={mode: 5 * top for mode, top in keep.items()},
            post_nms_top_n=keep,
            nms_thresh=nms,
        )

    def forward(
        self, levels: list[Tensor], images: Tensor, truth: list[Regions] | None = None
    ) -> tuple[Regions, dict[str, Tensor]]:
        """Propose regions.

        Args:
            levels: [B, c, h, w] each, finest first; those behind the last anchor size are not read.
            images: [B, 3, H, W], read for its size alone.
            truth: Each image's objects, in training.

        Returns:
            The regions of the batch, best first within an image, and ``loss_objectness`` and
            ``loss_rpn_box`` where ``truth`` is given.
        """
        from torchvision.models.detection.image_list import ImageList

        sizes = [tuple(images.shape[-2:])] * len(images)
        named = {str(i): level for i, level in enumerate(levels[: self.levels])}
        targets = None if truth is None else [{"boxes": one.boxes} for one in truth]
        boxes, losses = self.rpn(ImageList(images, sizes), named, targets)
        owners = [torch.full((len(one),), i, device=images.device) for i, one in enumerate(boxes)]
        regions = Regions(torch.cat(boxes).detach(), torch.cat(owners))
        renamed = {"loss_objectness": "loss_objectness", "loss_rpn_box_reg": "loss_rpn_box"}
        return regions, {renamed[name]: value for name, value in losses.items()}

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
            truth: Each image's objects; without it nothing is learnt.

        Returns:
            The regions of the batch, scored by objectness, best first within an image, and
            ``loss_objectness`` and ``loss_rpn_box`` where ``truth`` is given.
        """
        from torchvision.models.detection.image_list import ImageList
        from torchvision.models.detection.rpn import concat_box_prediction_layers

        used = levels[: self.levels]
        sizes = [tuple(images.shape[-2:])] * len(images)
        objectness, deltas = self.rpn.head(used)
        anchors = self.rpn.anchor_generator(ImageList(images, sizes), used)
        counts = [level[0].numel() for level in objectness]
        objectness, deltas = concat_box_prediction_layers(objectness, deltas)
        moved = self.rpn.box_coder.decode(deltas.detach(), anchors).view(len(images), -1, 4)
        boxes, scores = self.rpn.filter_proposals(moved, objectness, sizes, counts)
        owners = [torch.full((len(one),), i, device=images.device) for i, one in enumerate(boxes)]
        regions = Regions(torch.cat(boxes).detach(), torch.cat(owners), torch.cat(scores).detach())
        if truth is None:
            return regions, {}
        targets = [{"boxes": one.boxes} for one in truth]
        labels, matched = self.rpn.assign_targets_to_anchors(anchors, targets)
        wanted = self.rpn.box_coder.encode(matched, anchors)
        loss, box_loss = self.rpn.compute_loss(objectness, deltas, labels, wanted)
        return regions, {"loss_objectness": loss, "loss_rpn_box": box_loss}

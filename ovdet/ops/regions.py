"""From pictures and masks to regions of one size."""

import torch
from torch import Tensor

from ovdet.ops.boxes import enlarge_boxes
from ovdet.ops.roi_align import roi_align
from ovdet.structures import Regions


def enlarge(regions: Regions, scale: float, images: Tensor) -> Regions:
    """Scale every box about its centre by ``scale``, clipped to the images [B, 3, H, W]."""
    height, width = images.shape[-2:]
    return Regions(enlarge_boxes(regions.boxes, scale, height, width), regions.owner)


def crop_regions(images: Tensor, regions: Regions, size: int) -> Tensor:
    """Cut every region out and stretch it to a square.

    Shrinking averages over the source pixels (adaptive sampling), so crops do not alias.

    Args:
        images: [B, 3, H, W], RGB in [0, 1].
        regions: R boxes, px of ``images``.
        size: S, the side of a crop, px.

    Returns:
        [R, 3, S, S].
    """
    return roi_align(images, regions, size)


def crop_masks(masks: Tensor, boxes: Tensor, size: int, owner: Tensor | None = None) -> Tensor:
    """Cut masks to boxes.

    Args:
        masks: [G, H, W], bool or in [0, 1], over the whole image.
        boxes: [R, 4], xyxy, px.
        size: S, cells a side.
        owner: [R], int64, which mask each box is cut from; box i from mask i when None. Several
            boxes may share a mask, which is then held once.

    Returns:
        [R, S, S], 0 or 1.
    """
    if owner is None:
        owner = torch.arange(len(masks), device=masks.device)
    planes = masks[:, None].to(boxes.dtype)
    cut = roi_align(planes, Regions(boxes, owner), size)
    return (cut[:, 0] >= 0.5).to(boxes.dtype)

"""From pictures and feature maps to regions of one size; home of torchvision's RoI ops."""

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.ops.boxes import box_area, enlarge_boxes
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
    return _align(images, regions, size, scale=1.0, samples=0)


def cut_regions(images: Tensor, regions: Regions, size: int) -> Tensor:
    """Cut every region out along whole pixels and resize it, as one would do with a picture file.

    Slower than :func:`crop_regions`, and what published teachers were fed with.

    Args:
        images: [B, 3, H, W], RGB in [0, 1].
        regions: R boxes, px of ``images``; each keeps at least one pixel.
        size: S, the side of a crop, px.

    Returns:
        [R, 3, S, S].
    """
    height, width = images.shape[-2:]
    crops = images.new_zeros(len(regions), images.shape[1], size, size)
    places = zip(regions.boxes.tolist(), regions.owner.tolist(), strict=True)
    for crop, ((x1, y1, x2, y2), owner) in zip(crops, places, strict=True):
        left, top = min(max(int(x1), 0), width - 1), min(max(int(y1), 0), height - 1)
        right, bottom = min(max(ceil(x2), left + 1), width), min(max(ceil(y2), top + 1), height)
        piece = images[owner : owner + 1, :, top:bottom, left:right]
        crop[:] = F.interpolate(piece, (size, size), mode="bilinear", antialias=True)[0]
    return crops


def pool_regions(
    levels: Sequence[Tensor], regions: Regions, size: int, image_size: int, samples: int = 2
) -> Tensor:
    """Pool every region from the pyramid level that suits its size (FPN, Lin 2017, Eq. 1).

    A box whose side is half of ``image_size`` or more reads the coarsest level, one from a quarter
    on the next finer one, and so on.

    Args:
        levels: L maps [B, c, h, w], finest first, each half as fine as the one before.
        regions: R boxes, px of the network input.
        size: S, the side of the result.
        image_size: Longer side of the network input, px.
        samples: Points read a cell and axis (RoIAlign, He 2017, Sec. 3); 1 is enough where a cell
            of the result is no larger than one of the map.

    Returns:
        [R, c, S, S].
    """
    out = levels[0].new_zeros(len(regions), levels[0].shape[1], size, size)
    choice = _level_of(regions.boxes, len(levels), image_size)
    for index, level in enumerate(levels):
        rows = (choice == index).nonzero().squeeze(1)
        if len(rows) == 0:
            continue
        scale = max(level.shape[-2:]) / image_size
        pooled = _align(level, regions[rows], size, scale=scale, samples=samples)
        out = out.index_copy(0, rows, pooled)
    return out


def _level_of(boxes: Tensor, count: int, image_size: int) -> Tensor:
    side = box_area(boxes).clamp(min=1).sqrt()
    level = (count - 1) + torch.log2(side / (image_size / 2) + 1e-6)
    return level.floor().clamp(0, count - 1).long()


def _align(maps: Tensor, regions: Regions, size: int, *, scale: float, samples: int) -> Tensor:
    from torchvision.ops import roi_align

    rois = torch.cat([regions.owner[:, None].to(maps.dtype), regions.boxes.to(maps.dtype)], dim=1)
    pooled: Tensor = roi_align(maps, rois, size, scale, samples, aligned=True)
    return pooled


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
    cut = _align(planes, Regions(boxes, owner), size, scale=1.0, samples=0)
    return (cut[:, 0] >= 0.5).to(boxes.dtype)

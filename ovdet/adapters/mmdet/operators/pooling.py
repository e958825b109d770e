"""Features of boxes.

Shapes: B images, R regions, c channels, h w of a level, H W of the pooled grid. A region is a row
(image, x1, y1, x2, y2) in px of the network input.
"""

from typing import Any

import torch
from torch import Tensor

from ovdet.ops import roi_align
from ovdet.ops.roi_align import roi_align_gradient
from ovdet.structures import Regions

_MAX = 0  # mmcv's number for the largest sample of a cell; 1 is their mean


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    _argmax_y: Tensor,
    _argmax_x: Tensor,
    **how: Any,
) -> None:
    """Write RoIAlign's means (He 2017, Sec. 3) into ``output``.

    Args:
        features: [B, c, h, w].
        rois: [R, 5].
        output: [R, c, H, W].
        how: mmcv's options.

    Raises:
        NotImplementedError: If asked for the largest sample instead of the mean.
    """
    if how["pool_mode"] == _MAX:
        raise NotImplementedError("RoIAlign with pool_mode 'max' needs mmcv's compiled operators")
    size = (how["aligned_height"], how["aligned_width"])
    output.copy_(roi_align(features, _regions(rois), size, **_sampling(how)))


def roi_align_backward(
    gradient: Tensor,
    rois: Tensor,
    _argmax_y: Tensor,
    _argmax_x: Tensor,
    grad_features: Tensor,
    **how: Any,
) -> None:
    """Write what [R, c, H, W] of gradients make of the features into ``grad_features``."""
    spread = roi_align_gradient(gradient, _regions(rois), grad_features.shape, **_sampling(how))
    grad_features.copy_(spread)


def roi_pool_forward(
    features: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, **how: Any
) -> None:
    """Write the largest value of each cell of each region into ``output`` (Girshick 2015, Sec. 2).

    As in mmcv a region reaches to the far side of its last pixel and is not rounded before it is
    cut into cells, which torchvision does: on whole pixels at scale 1 both are the same.

    Args:
        features: [B, c, h, w].
        rois: [R, 5].
        output: [R, c, H, W], zeros; a cell outside the level stays zero.
        argmax: [R, c, H, W], int32, takes the place in the level of each value, -1 for none.
        how: mmcv's options.
    """
    argmax.fill_(-1)
    height, width = features.shape[2:]
    tops, bottoms = _edges(rois[:, [2, 4]], how["pooled_height"], how["spatial_scale"], height)
    lefts, rights = _edges(rois[:, [1, 3]], how["pooled_width"], how["spatial_scale"], width)
    for region, image in enumerate(rois[:, 0].long().tolist()):
        columns = list(zip(lefts[region], rights[region], strict=True))
        for row, (top, bottom) in enumerate(zip(tops[region], bottoms[region], strict=True)):
            if bottom <= top:
                continue
            column, line = features[image, :, top:bottom].max(dim=1)  # [c, w]
            place = (line + top) * width + torch.arange(width, device=line.device)
            for cell, (left, right) in enumerate(columns):
                if right > left:
                    value, step = column[:, left:right].max(dim=1)
                    output[region, :, row, cell] = value
                    argmax[region, :, row, cell] = place.gather(1, step[:, None] + left)[:, 0].int()


def roi_pool_backward(
    gradient: Tensor, rois: Tensor, argmax: Tensor, grad_features: Tensor, **_how: Any
) -> None:
    """Add each cell's gradient to the place its value came from, in ``grad_features``."""
    places = argmax.flatten(2).long()  # [R, c, HW]
    shares = gradient.flatten(2).masked_fill(places < 0, 0).to(grad_features.dtype)
    spread = grad_features.new_zeros(len(rois), *grad_features.shape[1:]).flatten(2)
    spread.scatter_add_(2, places.clamp(min=0), shares)
    grad_features.index_add_(0, rois[:, 0].long(), spread.view(-1, *grad_features.shape[1:]))


def _regions(rois: Tensor) -> Regions:
    return Regions(rois[:, 1:], rois[:, 0].long())


def _sampling(how: dict[str, Any]) -> dict[str, Any]:
    return {
        "scale": how["spatial_scale"],
        "samples": how["sampling_ratio"],
        "aligned": how["aligned"],
    }


def _edges(
    sides: Tensor, cells: int, scale: float, size: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Return where the cells of [R, 2] sides begin and end, cut off at ``size``; none if turned."""
    start, end = sides[:, :1] * scale, (sides[:, 1:] + 1) * scale
    step = (end - start) / cells
    number = torch.arange(cells, device=sides.device)
    first = (number * step + start).floor().clamp(0, size)
    last = ((number + 1) * step + start).ceil().clamp(0, size)
    last = torch.where(step > 0, last, first)
    return first.int().tolist(), last.int().tolist()

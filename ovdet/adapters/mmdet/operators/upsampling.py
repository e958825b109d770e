"""CARAFE (Wang 2019, Sec. 3.2): each new cell is a weighted sum of the old cells around it.

Shapes: features [B, c, h, w], masks [B, g k k, H, W] of g groups of channels and k x k neighbours,
output [B, c, H, W] with H = s h.
"""

from collections.abc import Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def carafe_forward(features: Tensor, masks: Tensor, *written: Tensor, **how: Any) -> None:
    """Write the reassembled features into the last of ``written``.

    mmcv also hands over three buffers of its own order of axes. The first of them comes back to
    :func:`carafe_backward` in the place of the features, and so it takes them as they are.
    """
    written[0].copy_(features)
    carafe_naive_forward(features, masks, written[-1], **how)


def carafe_naive_forward(
    features: Tensor, masks: Tensor, output: Tensor, *, kernel_size: int, **how: Any
) -> None:
    """Write the reassembled features into ``output``."""
    groups, scale = how["group_size"], how["scale_factor"]
    shares = _grouped(masks, groups)  # [B, g, k k, H, W]
    total = _grouped(output.new_zeros(output.shape), groups)
    for index, (top, left) in enumerate(_steps(kernel_size)):
        near = _enlarged(_moved(features, top, left, kernel_size), scale)
        total += _grouped(near, groups) * shares[:, :, index, None]
    output.copy_(total.flatten(1, 2))


def carafe_backward(
    gradient: Tensor, features: Tensor, masks: Tensor, *written: Tensor, **how: Any
) -> None:
    """Write the gradients of features and masks into the last two of ``written``."""
    carafe_naive_backward(gradient, features, masks, *written[-2:], **how)


def carafe_naive_backward(*tensors: Tensor, kernel_size: int, **how: Any) -> None:
    """Write the gradients of features and masks.

    Args:
        tensors: Gradient of the output, features, masks, and the two to write.
        kernel_size: k.
        how: mmcv's options.
    """
    gradient, features, masks, grad_features, grad_masks = tensors
    groups, scale = how["group_size"], how["scale_factor"]
    shares = _grouped(masks, groups)
    grouped = _grouped(gradient, groups)  # [B, g, c / g, H, W]
    height, width = features.shape[2:]
    reach = kernel_size // 2
    spread = F.pad(features.new_zeros(features.shape), [reach] * 4)
    for index, (top, left) in enumerate(_steps(kernel_size)):
        near = _enlarged(_moved(features, top, left, kernel_size), scale)
        share = (_grouped(near, groups) * grouped).sum(dim=2)
        grad_masks[:, index :: kernel_size * kernel_size] = share
        back = (grouped * shares[:, :, index, None]).flatten(1, 2)
        cells = back.reshape(*back.shape[:2], height, scale, width, scale)
        spread[:, :, top : top + height, left : left + width] += cells.sum(dim=(3, 5))
    inside = slice(reach, reach + height), slice(reach, reach + width)
    grad_features.copy_(spread[:, :, inside[0], inside[1]])


def _grouped(maps: Tensor, groups: int) -> Tensor:
    """Return [B, g, n / g, H, W] of [B, n, H, W]."""
    return maps.reshape(len(maps), groups, maps.shape[1] // groups, *maps.shape[2:])


def _steps(size: int) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(size) for column in range(size))


def _moved(features: Tensor, top: int, left: int, size: int) -> Tensor:
    """Return for each cell the neighbour that stands at (top, left) of its k x k window."""
    height, width = features.shape[2:]
    padded = F.pad(features, [size // 2] * 4)
    return padded[:, :, top : top + height, left : left + width]


def _enlarged(features: Tensor, scale: int) -> Tensor:
    return features.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)

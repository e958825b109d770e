"""Deformable convolution, plain (Dai 2017) and modulated (Zhu 2019), by torchvision's operator.

Shapes: images [B, c, h, w], weights [o, c / groups, kh, kw], offsets [B, 2 k g, h', w'] as (y, x)
of each of k = kh kw samples in g groups, masks [B, k g, h', w'].
"""

from dataclasses import dataclass
from typing import Any

import torch
import torchvision  # noqa: F401 - brings torch.ops.torchvision
from torch import Tensor


@dataclass(frozen=True)
class _Call:
    """One convolution: its tensors as the operator wants them, and its numbers.

    Attributes:
        tensors: Image, weight, offset, mask and bias.
        numbers: Stride, padding and dilation by (h, w), groups, offset groups, and whether the
            mask is read.
    """

    tensors: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    numbers: tuple[Any, ...]

    def forward(self) -> Tensor:
        result: Tensor = torch.ops.torchvision.deform_conv2d(*self.tensors, *self.numbers)
        return result

    def backward(self, gradient: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of ``tensors``, in their order."""
        wide = gradient.to(self.tensors[0].dtype)
        result: tuple[Tensor, ...] = torch.ops.torchvision._deform_conv2d_backward(
            wide, *self.tensors, *self.numbers
        )
        return result


def _plain(image: Tensor, weight: Tensor, offset: Tensor, how: dict[str, Any]) -> _Call:
    wide = torch.promote_types(image.dtype, torch.float32)
    mask = image.new_zeros(len(image), 1, dtype=wide)
    bias = image.new_zeros(len(weight), dtype=wide)
    sides = [how[f"{name}{side}"] for name in ("d", "pad", "dilation") for side in "HW"]
    numbers = (*sides, how["group"], how["deformable_group"], False)
    return _Call((image.to(wide), weight.to(wide), offset.to(wide), mask, bias), numbers)


def _modulated(tensors: tuple[Tensor, ...], size: torch.Size, how: dict[str, Any]) -> _Call:
    """Take image, weight, bias, offset and mask; the bias is empty where there is none.

    ``size`` is (h', w').
    """
    image, weight, bias, offset, mask = tensors
    offset, mask = _first(offset, size), _first(mask, size)
    if not how["with_bias"]:
        bias = image.new_zeros(len(weight))
    wide = torch.promote_types(image.dtype, torch.float32)
    ordered = [tensor.to(wide) for tensor in (image, weight, offset, mask, bias)]
    sides = [how[f"{name}_{side}"] for name in ("stride", "pad", "dilation") for side in "hw"]
    return _Call(tuple(ordered), (*sides, how["group"], how["deformable_group"], True))  # type: ignore[arg-type]


def _first(samples: Tensor, size: torch.Size) -> Tensor:
    """Return offsets or masks [B, n, h', w'] as mmcv's kernel reads them: in the order of memory.

    GLIP's dynamic heads hand over those of a larger level, and were trained on what that gives.
    """
    if samples.shape[2:] == size:
        return samples
    count = samples.shape[1] * size.numel()
    return samples.flatten(1)[:, :count].reshape(*samples.shape[:2], *size)


def _put_first(place: Tensor, part: Tensor) -> None:
    """Write the gradient of what :func:`_first` read; nothing comes to the rest."""
    if place.shape == part.shape:
        place.copy_(part)
        return
    flat = part.flatten(1)
    place.zero_().view(len(place), -1)[:, : flat.shape[1]] = flat


def deform_conv_forward(
    image: Tensor, weight: Tensor, offset: Tensor, output: Tensor, *_buffers: Tensor, **how: Any
) -> None:
    """Write the convolution of [B, c, h, w] into ``output`` [B, o, h', w']."""
    output.copy_(_plain(image, weight, offset, how).forward())


def deform_conv_backward_input(*tensors: Tensor, **how: Any) -> None:
    """Write the gradients of image and offset.

    Args:
        tensors: Image, offset, gradient of the output, the two to write, weight, a buffer.
        how: mmcv's options.
    """
    image, offset, gradient, grad_image, grad_offset, weight, _ = tensors
    image_part, _, offset_part, _, _ = _plain(image, weight, offset, how).backward(gradient)
    grad_image.copy_(image_part)
    grad_offset.copy_(offset_part)


def deform_conv_backward_parameters(*tensors: Tensor, **how: Any) -> None:
    """Add the gradient of the weight, times ``scale``.

    Args:
        tensors: Image, offset, gradient of the output, the one to add to, two buffers.
        how: mmcv's options.
    """
    image, offset, gradient, grad_weight, *_ = tensors
    parts = _plain(image, grad_weight, offset, how).backward(gradient)
    grad_weight.add_(parts[1].to(grad_weight.dtype), alpha=how["scale"])


def modulated_deform_conv_forward(*tensors: Tensor, **how: Any) -> None:
    """Write the convolution into the output.

    Args:
        tensors: Image, weight, bias, a buffer, offset, mask, output, a buffer.
        how: mmcv's options.
    """
    image, weight, bias, _, offset, mask, output, _ = tensors
    size = output.shape[2:]
    output.copy_(_modulated((image, weight, bias, offset, mask), size, how).forward())


def modulated_deform_conv_backward(*tensors: Tensor, **how: Any) -> None:
    """Write the gradients of image, weight, bias, offset and mask.

    Args:
        tensors: Image, weight, bias, a buffer, offset, mask, a buffer, the five to write in the
            order above, and the gradient of the output.
        how: mmcv's options.
    """
    image, weight, bias, _, offset, mask, _, *written, gradient = tensors
    grad_image, grad_weight, grad_bias, grad_offset, grad_mask = written
    size = gradient.shape[2:]
    parts = _modulated((image, weight, bias, offset, mask), size, how).backward(gradient)
    for place, part in zip((grad_image, grad_weight, grad_offset, grad_mask), parts, strict=False):
        _put_first(place, part)
    if how["with_bias"]:
        grad_bias.copy_(parts[4])

"""Pictures of regions, cut and resized as an image encoder's preprocessing does it.

The pixels are cut out whole and resampled with a filter as wide as the shrinkage, which is what
Pillow does (and CLIP's preprocessing, with the bicubic one). On a GPU a Triton kernel makes all
crops at once; elsewhere torch's resize runs crop by crop, on torch's threads side by side, and is
fastest from 8-bit pictures.

Shapes: B images, R regions, H W px, S side of a crop, px.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.ops.kernels import runs_triton
from ovdet.ops.roi_align import check_owner
from ovdet.ops.threads import each, shares
from ovdet.structures import InputError, Regions

RESAMPLES = ("bilinear", "bicubic")


def crop_resize(
    images: Tensor,
    regions: Regions,
    size: int,
    *,
    resample: str = "bilinear",
    keep_ratio: bool = False,
    fill: float = 0.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Tensor:
    """Cut every region out along whole pixels and resize it, as one would do with a picture file.

    No gradient flows through it: what it makes is shown to frozen encoders. A region is enlarged
    beforehand, see :func:`ovdet.ops.enlarge`.

    Args:
        images: [B, 3, H, W], RGB, in [0, 1] or 8-bit.
        regions: R boxes, px of ``images``; each is clipped to its image and keeps at least one
            pixel. Owners in [0, B).
        size: S.
        resample: "bilinear" or "bicubic", antialiased; what the latter overshoots is clipped.
        keep_ratio: Fit the region into the middle of the crop; else it is stretched to a square.
        fill: What then stands beside it, in [0, 1].
        mean: Of each channel, subtracted from what is in [0, 1]; None leaves it there.
        std: Of each channel, divided by; None leaves the scale. Positive.

    Returns:
        [R, 3, S, S] of the images' type, float32 of 8-bit ones.

    Raises:
        InputError: If the images are not [B, 3, H, W] of a floating or 8-bit type, or an owner is
            not in [0, B) (on the CPU; on a GPU the crop is what ``fill`` gives).
        ValueError: If ``resample`` is neither filter, or ``mean`` and ``std`` are not three
            numbers, the latter positive.
    """
    _check(images, resample)
    shift, gain = _three("mean", mean, 0.0), _three("std", std, 1.0)
    if min(gain) <= 0:
        raise ValueError(f"std must be positive, got {list(gain)}")
    cropped: Tensor = _crop(
        images, regions.boxes, regions.owner, size, resample, keep_ratio, [fill, *shift, *gain]
    )
    return cropped


def _check(images: Tensor, resample: str) -> None:
    known = images.is_floating_point() or images.dtype == torch.uint8
    if images.ndim != 4 or images.shape[1] != 3 or not known:
        raise InputError(
            "images must be [B, 3, H, W] of a floating or 8-bit type, got "
            f"{list(images.shape)} of {images.dtype}"
        )
    if resample not in RESAMPLES:
        raise ValueError(f"resample must be one of {RESAMPLES}, got {resample!r}")


def _three(name: str, values: Sequence[float] | None, default: float) -> list[float]:
    values = [default] * 3 if values is None else [float(value) for value in values]
    if len(values) != 3:
        raise ValueError(f"{name} must be one number a channel, three, got {values}")
    return values


@torch.library.custom_op("ovdet::crop_resize", mutates_args=())
def _crop(
    images: Tensor,
    boxes: Tensor,
    owner: Tensor,
    size: int,
    resample: str,
    keep_ratio: bool,  # noqa: FBT001 - an operator's schema
    colours: Sequence[float],
) -> Tensor:
    out = _empty(images, len(boxes), size)
    if len(boxes) == 0:
        return out
    sources = whole_pixels(boxes, *images.shape[-2:])
    targets = fitted(sources, size, keep_ratio=keep_ratio)
    if images.dtype != torch.float64 and runs_triton(images):
        from ovdet.ops.kernels.crop_resize import crop

        crop(out, images, torch.cat([sources, targets], dim=1), owner, resample, colours)
        return out
    check_owner(owner, len(images))
    _crop_each(out, images, [owner.tolist(), sources.tolist(), targets.tolist()], resample, colours)
    return out


@_crop.register_fake
def _(images: Tensor, boxes: Tensor, _owner: Tensor, size: int, *_how: Any) -> Tensor:
    return _empty(images, len(boxes), size)


def _empty(images: Tensor, count: int, size: int) -> Tensor:
    kind = images.dtype if images.is_floating_point() else torch.float32
    return torch.empty(count, 3, size, size, dtype=kind, device=images.device)


def whole_pixels(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return the pixels that [R, 4] boxes touch, at least one: [R, 4], int64, xyxy."""
    sides = []
    for axis, extent in enumerate((width, height)):
        first = boxes[:, axis].nan_to_num().floor().clamp(0, extent - 1)
        last = boxes[:, axis + 2].nan_to_num().ceil().clamp(max=extent)
        sides.append((first, torch.maximum(last, first + 1)))
    (x1, x2), (y1, y2) = sides
    return torch.stack([x1, y1, x2, y2], dim=1).long()


def fitted(sources: Tensor, size: int, *, keep_ratio: bool) -> Tensor:
    """Return where in a crop of ``size`` px each of [R, 4] regions comes to lie, xyxy, px."""
    extent = sources[:, 2:] - sources[:, :2]
    if not keep_ratio:
        return torch.cat([torch.zeros_like(extent), torch.full_like(extent, size)], dim=1)
    longer = extent.amax(dim=1, keepdim=True)
    extent = ((2 * size * extent + longer) // (2 * longer)).clamp(min=1)  # rounded half up
    first = (size - extent) // 2
    return torch.cat([first, first + extent], dim=1)


def _crop_each(
    out: Tensor, images: Tensor, places: list[Any], resample: str, colours: Sequence[float]
) -> None:
    eight_bit = images.dtype == torch.uint8
    if eight_bit and images.device.type == "cpu":  # its AVX2 path reads RGB pixel by pixel
        images = images.contiguous(memory_format=torch.channels_last)
    else:
        images = images.to(torch.promote_types(out.dtype, torch.float32))
    rows = list(zip(out, *places, strict=True))
    _, *rest = colours
    mean, std = torch.tensor(rest, dtype=out.dtype, device=out.device).view(2, 3, 1, 1)
    plain = rest == [0.0] * 3 + [1.0] * 3

    def work(share: slice) -> None:
        for crop, owner, (x1, y1, x2, y2), (left, top, right, bottom) in rows[share]:
            piece = images[owner : owner + 1, :, y1:y2, x1:x2]
            extent = (bottom - top, right - left)
            if extent != tuple(crop.shape[1:]):
                crop.fill_(colours[0])
            made = F.interpolate(piece, extent, mode=resample, antialias=True)[0]
            target = crop[:, top:bottom, left:right]
            if eight_bit:
                torch.div(made, 255, out=target)
            else:
                target.copy_(made).clamp_(0, 1)  # what the bicubic filter overshoots
            if not plain:
                crop.sub_(mean).div_(std)

    each(work, shares(len(rows)), images.device)

"""Changes of a sample in training and testing; all randomness comes from the given generator."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.data.samplers import Draw
from ovdet.registry import TRANSFORMS
from ovdet.structures import InputError, Regions, Sample
from ovdet.structures.samples import IGNORED

Transform = Callable[[Sample, np.random.Generator], Sample]
"""What a data set applies to a sample, with the draw's own randomness."""

_SMALLEST = 1.0  # px: what a crop leaves below this on a side is no object any more


def transformed(sample: Sample, transforms: Sequence[Transform], draw: Draw) -> Sample:
    """Return a sample after all transforms, which share the randomness of one draw."""
    rng = draw.rng()
    for transform in transforms:
        sample = transform(sample, rng)
    return sample


@TRANSFORMS.register_module()
class ResizeTo:
    """Make the image exactly ``height`` x ``width`` px; its shape may change.

    Raises:
        InputError: If a side is below 1.
    """

    def __init__(self, height: int, width: int) -> None:
        if min(height, width) < 1:
            raise InputError(f"sides must be at least 1 px, got {height} x {width}")
        self.height = height
        self.width = width

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG002
        """Return the resized sample."""
        return resize(sample, self.height, self.width)


@TRANSFORMS.register_module()
class Resize:
    """Scale the shorter side to ``short`` px, but the longer one to at most ``longest`` px.

    Raises:
        InputError: If ``short`` is below 1 or above ``longest``.
    """

    def __init__(self, short: int, longest: int) -> None:
        if not 1 <= short <= longest:
            raise InputError(f"sides must be 1 <= short <= longest, got {short} and {longest}")
        self.short = short
        self.longest = longest

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG002
        """Return the resized sample."""
        return resize(sample, *self.size_of(*sample.image.shape[1:]))

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that an image of ``height`` x ``width`` px gets, px."""
        scale = min(self.short / min(height, width), self.longest / max(height, width))
        return max(round(height * scale), 1), max(round(width * scale), 1)


@TRANSFORMS.register_module()
class ScaleJitter:
    """Resize by a random factor, then cut out at most ``size`` x ``size`` px at random.

    With 0.1 to 2.0 this is large-scale jitter (Ghiasi 2021, "Simple Copy-Paste").

    Args:
        low: Least longer side, as a part of ``size``, above 0.
        high: Greatest longer side, as a part of ``size``.
        size: Greatest side of the result, px.
        pad: Whether what is smaller is filled up to ``size`` x ``size`` px with black, on the right
            and below, so that all batches have one size; else it stays smaller.

    Raises:
        InputError: Unless 0 < low <= high and size >= 1.
    """

    def __init__(self, low: float, high: float, size: int, *, pad: bool = False) -> None:
        if not (0 < low <= high and size >= 1):
            raise InputError(f"must be 0 < low <= high and size >= 1, got {low}, {high}, {size}")
        self.low = low
        self.high = high
        self.size = size
        self.pad = pad

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the resized and cropped sample."""
        height, width = sample.image.shape[1:]
        scale = rng.uniform(self.low, self.high) * self.size / max(height, width)
        height, width = max(round(height * scale), 1), max(round(width * scale), 1)
        sample = resize(sample, height, width)
        top = int(rng.integers(max(height - self.size, 0) + 1))
        left = int(rng.integers(max(width - self.size, 0) + 1))
        sample = crop(sample, top, left, min(height, self.size), min(width, self.size))
        return pad(sample, self.size, self.size) if self.pad else sample


@TRANSFORMS.register_module()
class RandomResize:
    """As ``Resize``, with the shorter side drawn from a list each time.

    Raises:
        InputError: If there is no side, or one is below 1 or above ``longest``.
    """

    def __init__(self, shorts: Sequence[int], longest: int) -> None:
        if not shorts:
            raise InputError("shorts must be one side or more, got none")
        self.choices = [Resize(short, longest) for short in shorts]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the resized sample."""
        return self.choices[int(rng.integers(len(self.choices)))](sample, rng)


@TRANSFORMS.register_module()
class RandomFlip:
    """Mirror left and right with probability ``p``; for training only: it is not undone.

    Raises:
        InputError: If ``p`` is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise InputError(f"p must be in [0, 1], got {p}")
        self.p = p

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample or its mirror image."""
        return flip(sample) if rng.random() < self.p else sample


@TRANSFORMS.register_module()
class ColorJitter:
    """Multiply brightness, contrast and saturation by random factors in [1 - x, 1 + x].

    Raises:
        InputError: If an amount is not in [0, 1].
    """

    def __init__(
        self, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2
    ) -> None:
        self.amounts = (brightness, contrast, saturation)
        if not all(0 <= amount <= 1 for amount in self.amounts):
            raise InputError(f"amounts must be in [0, 1], got {self.amounts}")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample in other colours."""
        brightness, contrast, saturation = (rng.uniform(1 - a, 1 + a) for a in self.amounts)
        image = (sample.image * brightness).clamp(0, 1)
        image = torch.lerp(_grey(image).mean(), image, contrast).clamp(0, 1)
        image = torch.lerp(_grey(image).expand_as(image), image, saturation).clamp(0, 1)
        return replace(sample, image=image)


def resize(sample: Sample, height: int, width: int) -> Sample:
    """Scale image, truth, label map and proposals to ``height`` x ``width`` px."""
    old_height, old_width = sample.image.shape[1:]
    if (height, width) == (old_height, old_width):
        return sample
    sx, sy = width / old_width, height / old_height
    image = F.interpolate(
        sample.image[None], (height, width), mode="bilinear", align_corners=False, antialias=True
    )[0].clamp(0, 1)
    factor = torch.tensor([sx, sy, sx, sy])

    def move(regions: Regions) -> Regions:
        masks = regions.masks
        if masks is not None:
            masks = masks[:, None].float()  # [R, 1, H, W]: R may be 0, the channels may not
            masks = F.interpolate(masks, (height, width), mode="nearest")[:, 0].bool()
        return regions.with_(boxes=regions.boxes * factor, masks=masks)

    def shrink(labels: Tensor) -> Tensor:
        # float64 holds every label exactly
        scaled = F.interpolate(labels[None, None].double(), (height, width), mode="nearest")
        return scaled[0, 0].to(labels.dtype)

    scale = (sample.scale[0] * sx, sample.scale[1] * sy)
    return replace(_moved(sample, move, shrink), image=image, scale=scale)


def flip(sample: Sample) -> Sample:
    """Mirror image, truth, label map and proposals left and right."""
    width = sample.image.shape[2]

    def move(regions: Regions) -> Regions:
        x1, y1, x2, y2 = regions.boxes.unbind(dim=1)
        boxes = torch.stack([width - x2, y1, width - x1, y2], dim=1)
        masks = None if regions.masks is None else regions.masks.flip(2)
        return regions.with_(boxes=boxes, masks=masks)

    return replace(_moved(sample, move, lambda labels: labels.flip(1)), image=sample.image.flip(2))


def crop(sample: Sample, top: int, left: int, height: int, width: int) -> Sample:
    """Cut out a window; boxes are clipped to it, and those it leaves nothing of are dropped."""
    rows, columns = slice(top, top + height), slice(left, left + width)

    def move(regions: Regions) -> Regions:
        shift = torch.tensor([left, top, left, top])
        limit = torch.tensor([width, height, width, height])
        boxes = (regions.boxes - shift).clamp(min=0).minimum(limit)
        masks = None if regions.masks is None else regions.masks[:, rows, columns]
        kept = ((boxes[:, 2:] - boxes[:, :2]) >= _SMALLEST).all(dim=1)
        return regions.with_(boxes=boxes, masks=masks)[kept]

    moved = _moved(sample, move, lambda labels: labels[rows, columns])
    return replace(moved, image=sample.image[:, rows, columns])


def pad(sample: Sample, height: int, width: int) -> Sample:
    """Fill up to ``height`` x ``width`` px with black, unlabelled, on the right and below."""
    right, below = width - sample.image.shape[2], height - sample.image.shape[1]
    if (right, below) == (0, 0):
        return sample
    wider = (0, right, 0, below)

    def move(regions: Regions) -> Regions:
        return regions.with_(masks=None if regions.masks is None else F.pad(regions.masks, wider))

    moved = _moved(sample, move, lambda labels: F.pad(labels, wider, value=IGNORED))
    return replace(moved, image=F.pad(sample.image, wider))


def _moved(
    sample: Sample, move: Callable[[Regions], Regions], change: Callable[[Tensor], Tensor]
) -> Sample:
    """Return the sample with regions and label map moved as its image is."""
    return replace(
        sample,
        truth=move(sample.truth),
        proposals=None if sample.proposals is None else move(sample.proposals),
        semantic=None if sample.semantic is None else change(sample.semantic),
    )


def _grey(image: Tensor) -> Tensor:
    weights = image.new_tensor([0.299, 0.587, 0.114])  # ITU-R BT.601 luma
    return (image * weights[:, None, None]).sum(dim=0, keepdim=True)

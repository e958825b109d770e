"""Sample: one image with all that is known about it, from the reader to the evaluator."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ovdet.structures.regions import Regions

IGNORED = -1
"""The value of a pixel in a label map that has no class, as a region without one has -1."""


@dataclass
class Sample:
    """One image on its way through transforms, model and evaluation.

    Attributes:
        image: [3, H, W], RGB in [0, 1], the network input.
        image_id: The image's id in its data set.
        file_name: Where it was read from, for messages and results.
        original_size: (height, width) of the stored image, px.
        scale: (sx, sy), network px for one original px; predictions are divided by it.
        truth: Annotated objects of this image, owner 0, boxes in px of the network input. Their
            labels are classes, or, where there are ``phrases``, the phrase that names the object.
        proposals: Regions prepared offline for this image (with embeddings), or None.
        captions: Sentences about the image; empty when there are none.
        source: Which of several data sets, or which part of one, the sample comes from.
        boxed: Whether ``truth`` lists the objects. Where it does not (a source of image labels or
            captions) a detector's own losses leave the image out and only objectives learn from it.
        semantic: [H, W], int64, the class of each pixel, ``IGNORED`` where there is none; for what
            has an area but no instances. None where pixels are not labelled.
        positive: Classes known to be in the image, for labels without a place.
        negative: Classes known not to be in the image. In LVIS a class is neither in most images.
        not_exhaustive: Classes of which the image may hold unlabelled objects (LVIS).
        phrases: For each phrase its first character in the first caption and the one after.
    """

    image: Tensor
    image_id: int
    file_name: str = ""
    original_size: tuple[int, int] = (0, 0)
    scale: tuple[float, float] = (1.0, 1.0)
    truth: Regions = field(default_factory=Regions.empty)
    proposals: Regions | None = None
    captions: tuple[str, ...] = ()
    source: str = ""
    boxed: bool = True
    semantic: Tensor | None = None
    positive: tuple[int, ...] = ()
    negative: tuple[int, ...] = ()
    not_exhaustive: tuple[int, ...] = ()
    phrases: tuple[tuple[int, int], ...] = ()

    def to_original(self, boxes: Tensor) -> Tensor:
        """Return boxes [R, 4] in px of the stored image, clipped to it."""
        sx, sy = self.scale
        height, width = self.original_size
        boxes = boxes / torch.tensor([sx, sy, sx, sy], device=boxes.device)
        limit = torch.tensor([width, height, width, height], device=boxes.device)
        return boxes.clamp(min=0).minimum(limit)


def batch_images(samples: list[Sample], stride: int = 1) -> Tensor:
    """Stack the images of samples, padded with zeros on the right and below.

    Args:
        samples: B samples, images of any sizes.
        stride: Both sides of the result are multiples of this, px.

    Returns:
        [B, 3, H, W].
    """
    images = [sample.image for sample in samples]
    height, width = _padded_size(images, stride)
    batch = images[0].new_zeros(len(images), 3, height, width)
    for row, image in zip(batch, images, strict=True):
        row[:, : image.shape[1], : image.shape[2]] = image
    return batch


def batch_semantic(samples: list[Sample], stride: int = 1) -> Tensor:
    """Stack the label maps of samples, padded with ``IGNORED`` as their images are with zeros.

    Args:
        samples: B samples. One without a map is ignored everywhere.
        stride: As for :func:`batch_images`.

    Returns:
        [B, H, W], int64.
    """
    height, width = _padded_size([sample.image for sample in samples], stride)
    batch = torch.full((len(samples), height, width), IGNORED, dtype=torch.int64)
    for row, sample in zip(batch, samples, strict=True):
        if sample.semantic is not None:
            row[: sample.semantic.shape[0], : sample.semantic.shape[1]] = sample.semantic
    return batch


def _padded_size(images: list[Tensor], stride: int) -> tuple[int, int]:
    height = max(image.shape[1] for image in images)
    width = max(image.shape[2] for image in images)
    return -(-height // stride) * stride, -(-width // stride) * stride

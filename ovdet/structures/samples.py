"""Sample: one image with all that is known about it, from the reader to the evaluator."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ovdet.structures.regions import Regions


@dataclass
class Sample:
    """One image on its way through transforms, model and evaluation.

    Attributes:
        image: [3, H, W], RGB in [0, 1], the network input.
        image_id: The image's id in its data set.
        file_name: Where it was read from, for messages and results.
        original_size: (height, width) of the stored image, px.
        scale: (sx, sy), network px for one original px; predictions are divided by it.
        truth: Annotated objects of this image, owner 0, boxes in px of the network input.
        proposals: Regions prepared offline for this image (with embeddings), or None.
        captions: Sentences about the image; empty when there are none.
        source: Which of several data sets the sample comes from.
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
    height = max(sample.image.shape[1] for sample in samples)
    width = max(sample.image.shape[2] for sample in samples)
    height, width = -(-height // stride) * stride, -(-width // stride) * stride
    batch = samples[0].image.new_zeros(len(samples), 3, height, width)
    for row, sample in zip(batch, samples, strict=True):
        row[:, : sample.image.shape[1], : sample.image.shape[2]] = sample.image
    return batch

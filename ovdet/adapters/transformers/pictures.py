"""Samples as a model of transformers sees them, and boxes back to the sample.

Its own image processor does the work, on the very bytes of the stored picture, so that resampling
and rounding are the same; colours are centred by whoever encodes them.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ovdet.structures import Sample


def to_bytes(image: Tensor) -> Tensor:
    """Return a picture [3, H, W] in [0, 1] as uint8; what came from bytes is those bytes again."""
    # In place: new memory is what takes time.
    return (image * 255).round_().clamp_(0, 255).to(torch.uint8)


def processed(processor: Any, image: Tensor, *, normalised: bool) -> dict[str, Tensor]:
    """Return what a processor makes of one picture, each with B = 1 in front.

    Args:
        processor: transformers' image processor.
        image: [3, H, W], RGB in [0, 1].
        normalised: Whether it also centres the colours.
    """
    found = processor(
        images=[to_bytes(image).cpu()],
        return_tensors="pt",
        input_data_format="channels_first",
        do_normalize=normalised,
    )
    return dict(found)


class SizedPictures:
    """Gives each sample its picture as the model was trained on pictures.

    Args:
        processor: transformers' image processor; it gives pictures of one size.
        square: Whether a picture is padded to a square before it is resized, so that both sides are
            scaled alike; else each side is stretched by itself.
    """

    def __init__(self, processor: Any, *, square: bool) -> None:
        self.processor = processor
        self.square = square

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with that picture and the scale that belongs to it; truth is left out.

        Args:
            sample: Of any size, best that of the file.
        """
        image = processed(self.processor, sample.image, normalised=False)["pixel_values"][0]
        height, width = sample.image.shape[1:]
        if self.square:
            height = width = max(height, width)
        sx, sy = sample.scale
        scale = (sx * image.shape[2] / width, sy * image.shape[1] / height)
        return replace(
            Sample(image.float(), sample.image_id, sample.file_name, sample.original_size),
            scale=scale,
        )

"""Samples as a model of transformers sees them, and boxes back to the sample.

Its own image processor does the work, on the very bytes of the stored picture, so that resampling
and rounding are the same; colours are centred by whoever encodes them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ovdet.structures import Sample

Inputs = dict[str, Tensor]


def to_bytes(image: Tensor) -> Tensor:
    """Return a picture [3, H, W] in [0, 1] as uint8; what came from bytes is those bytes again."""
    # In place: new memory is what takes time.
    return (image * 255).round_().clamp_(0, 255).to(torch.uint8)


def processed(processor: Any, image: Tensor, *, normalised: bool, **options: Any) -> Inputs:
    """Return what a processor makes of one picture, each with B = 1 in front.

    Args:
        processor: transformers' image processor.
        image: [3, H, W], RGB in [0, 1].
        normalised: Whether it also centres the colours.
        options: The processor's own, where its folder's are not meant.
    """
    found = processor(
        images=[to_bytes(image).cpu()],
        return_tensors="pt",
        input_data_format="channels_first",
        do_normalize=normalised,
        **options,
    )
    return dict(found)


def same_sized(
    processor: Any, samples: list[Sample], device: torch.device
) -> Iterator[tuple[list[int], Inputs]]:
    """Yield the samples whose pictures have one size as network input, so that none is padded.

    Args:
        processor: transformers' image processor.
        samples: B samples of any sizes.
        device: Where the inputs are wanted.

    Yields:
        Which of the samples, and what the processor makes of them, stacked.
    """
    groups: dict[tuple[int, ...], list[tuple[int, Inputs]]] = {}
    for row, sample in enumerate(samples):
        inputs = processed(processor, sample.image, normalised=True)
        groups.setdefault(tuple(inputs["pixel_values"].shape), []).append((row, inputs))
    for group in groups.values():
        rows, each = [row for row, _ in group], [inputs for _, inputs in group]
        yield rows, {key: torch.cat([one[key] for one in each]).to(device) for key in each[0]}


class SizedPictures:
    """Gives each sample its picture as the model was trained on pictures.

    Args:
        processor: transformers' image processor; it shows the whole picture.
        square: Whether a picture is padded to a square before it is resized, so that both sides are
            scaled alike; else each side is stretched by itself.
        options: The processor's own, where its folder's are not meant.
    """

    def __init__(self, processor: Any, *, square: bool, **options: Any) -> None:
        self.processor = processor
        self.square = square
        self.options = options

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with that picture and the scale that belongs to it; truth is left out.

        Args:
            sample: Of any size, best that of the file.
        """
        found = processed(self.processor, sample.image, normalised=False, **self.options)
        image = found["pixel_values"][0]
        height, width = sample.image.shape[1:]
        if self.square:
            height = width = max(height, width)
        sx, sy = sample.scale
        scale = (sx * image.shape[2] / width, sy * image.shape[1] / height)
        return replace(
            Sample(image.float(), sample.image_id, sample.file_name, sample.original_size),
            scale=scale,
        )

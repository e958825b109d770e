"""Images with sentences, from a stream that is told only a number."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ovdet.data.images import to_float
from ovdet.data.samplers import Draw
from ovdet.data.stickers import NAMES, CaptionStream
from ovdet.data.transforms import Transform, transformed
from ovdet.registry import DATASETS
from ovdet.structures import InputError, Sample

DATASETS.register_module(module=CaptionStream)  # the stickers know no registry


@DATASETS.register_module(name="StickerNames")
def sticker_names() -> list[str]:
    """Return the names of all stickers that may be shown, so that a config can list them."""
    return list(NAMES)


class Captioned(Protocol):
    """One item of a stream: a picture [S, S, 3] and a sentence about it."""

    image: NDArray[np.uint8]
    caption: str


class CaptionSource(Protocol):
    """Anything that renders or reads item number i."""

    def __getitem__(self, index: int) -> Captioned:
        """Return item ``index``, always the same."""
        ...


@DATASETS.register_module()
class CaptionDataset(Dataset[Sample]):
    """A caption stream as samples.

    Args:
        stream: Item i is always the same; there is no last one.
        size: How many items a pass for measuring has; None for training without an end.
        transforms: Applied in order, each with the sample and the draw's own randomness.

    Raises:
        InputError: If ``size`` is below 1.
    """

    def __init__(
        self,
        stream: CaptionSource,
        *,
        size: int | None = None,
        transforms: Sequence[Transform] = (),
    ) -> None:
        if size is not None and size < 1:
            raise InputError(f"size must be at least 1, got {size}")
        self.stream = stream
        self.size = size
        self.transforms = tuple(transforms)

    @property
    def endless(self) -> bool:
        """Whether a training draw's number is its index."""
        return self.size is None

    @property
    def metainfo(self) -> dict[str, Any]:
        """Nothing is known beyond the samples."""
        return {}

    def __len__(self) -> int:
        if self.size is None:
            raise InputError("a caption stream without a size has no end")
        return self.size

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return item ``key``; a plain index always gives the same sample."""
        draw = Draw.of(key)
        item = self.stream[draw.index]
        sample = Sample(
            to_float(item.image),
            draw.index,
            f"caption {draw.index}",
            (item.image.shape[0], item.image.shape[1]),
            captions=(item.caption,),
        )
        return transformed(sample, self.transforms, draw)

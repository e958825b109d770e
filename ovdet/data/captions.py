"""Images with sentences, from a stream that is told only a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ovdet.data.images import to_float
from ovdet.data.samplers import Draw
from ovdet.data.stickers import NAMES, CaptionStream
from ovdet.data.stickers.split import ov_categories
from ovdet.data.transforms import Transform, transformed
from ovdet.registry import DATASETS
from ovdet.structures import InputError, Sample

DATASETS.register_module(module=CaptionStream)  # the stickers know no registry


@DATASETS.register_module(name="StickerNames")
def sticker_names(*, ov: bool = False) -> list[str]:
    """Return the names of all stickers that may be shown, so that a config can list them.

    Args:
        ov: Only the classes of ``stickers-ov``, in the order of their ids.
    """
    return [category.name for category in ov_categories()] if ov else list(NAMES)


class Captioned(Protocol):
    """One item of a stream: a picture [S, S, 3], a sentence about it, and others as true."""

    image: NDArray[np.uint8]
    caption: str
    rewrites: list[str]


class CaptionSource(Protocol):
    """Anything that renders or reads item number i."""

    def __getitem__(self, index: int) -> Captioned:
        """Return item ``index``, always the same."""
        ...


@dataclass(frozen=True)
class CaptionedPicture:
    """One item of a stream.

    Attributes:
        image: [S, S, 3], uint8, RGB.
        caption: A sentence about it.
        rewrites: Other sentences about it.
    """

    image: NDArray[np.uint8]
    caption: str
    rewrites: list[str]


@DATASETS.register_module()
class ReplayedStream:
    """Shows each picture of a costly stream several times, every time with another sentence.

    Draws come in passes of ``window`` pictures in random order; from one pass to the next a share
    of 1 / ``repeats`` is new. Item i is always the same, so training resumes exactly; what was
    rendered is kept until its last pass.

    Args:
        stream: What is shown.
        repeats: How often a picture is shown, at least 1.
        window: Pictures a pass and in memory, a multiple of ``repeats``.
        seed: Of the order within a pass.

    Raises:
        InputError: If a number is too small or the window no multiple.
    """

    def __init__(
        self, stream: CaptionSource, *, repeats: int, window: int = 16384, seed: int = 0
    ) -> None:
        if repeats < 1 or window < repeats or window % repeats:
            raise InputError(
                f"window must be a multiple of repeats, and both above 0, got {window}, {repeats}"
            )
        self.stream = stream
        self.window = window
        self.fresh = window // repeats
        self.seed = seed
        self._kept: dict[int, CaptionedPicture] = {}
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, index: int) -> CaptionedPicture:
        """Return what draw ``index`` shows."""
        run, place = divmod(index, self.window)
        if self._order[0] != run:
            order = np.random.default_rng((self.seed, run)).permutation(self.window)
            self._order = (run, order)
            self._kept = {k: v for k, v in self._kept.items() if k >= run * self.fresh}
        number = run * self.fresh + int(self._order[1][place])
        item = self._kept.get(number)
        if item is None:
            found = self.stream[number]
            item = CaptionedPicture(found.image, found.caption, list(found.rewrites))
            self._kept[number] = item
        sentences = [item.caption, *item.rewrites]
        told = run % len(sentences)  # a picture's passes follow each other, so each tells another
        others = sentences[:told] + sentences[told + 1 :]
        return CaptionedPicture(item.image, sentences[told], others)


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

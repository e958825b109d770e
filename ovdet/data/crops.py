"""Objects cut out of their images, each with a sentence that names it; and data sets side by side.

Measures a recognizer: which of the names does it give to the picture of a box?
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ovdet.data.coco import CocoDataset
from ovdet.data.samplers import Draw
from ovdet.data.stickers import NAMES
from ovdet.data.transforms import crop, resize
from ovdet.registry import DATASETS
from ovdet.structures import InputError, Regions, Sample


@DATASETS.register_module()
class CropDataset(Dataset[Sample]):
    """Every annotated box of a data set as a picture with the caption ``template``.

    After the boxes come samples that show nothing and only bring the caption of a further name
    to choose among; their ``original_size`` is (0, 0), because no picture is stored.

    Args:
        dataset: Where the boxes come from; without transforms.
        size: S, side of the pictures, px.
        template: A sentence with ``{}`` for the name.
        names: The names to choose among; those of the data set are always there.

    Raises:
        InputError: If ``size`` is below 1 or ``template`` has no ``{}``.
    """

    endless = False

    def __init__(
        self,
        dataset: CocoDataset,
        *,
        size: int = 64,
        template: str = "a photo of a {}",
        names: Sequence[str] = (),
    ) -> None:
        if size < 1 or "{}" not in template:
            raise InputError(
                f"must be size >= 1 and a template with {{}}, got {size}, {template!r}"
            )
        self.dataset = dataset
        self.size = size
        self.template = template
        counts = [len(dataset.objects(int(index))) for index in dataset.indices]
        self.owners = np.repeat(np.arange(len(counts)), counts)
        self.places = np.concatenate([np.arange(count) for count in [0, *counts]])
        self.further = tuple(dict.fromkeys([*dataset.vocabulary.names, *names]))
        self.metainfo: dict[str, Any] = {"vocabulary": dataset.vocabulary}

    def __len__(self) -> int:
        return len(self.owners) + len(self.further)

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a box's picture, or a name without one."""
        index = key.index if isinstance(key, Draw) else key
        if index >= len(self.owners):
            name = self.further[index - len(self.owners)]
            blank = torch.zeros(3, self.size, self.size)
            return Sample(blank, -1, name, captions=(self.template.format(name),))
        sample = self.dataset[int(self.owners[index])]
        place = int(self.places[index])
        one = sample.truth[place : place + 1]
        x1, y1, x2, y2 = one.boxes[0].tolist()
        left, top = int(x1), int(y1)  # whole pixels that the box touches
        shown = crop(sample, top, left, max(-int(-y2 // 1) - top, 1), max(-int(-x2 // 1) - left, 1))
        shown = resize(shown, self.size, self.size)
        name = self.dataset.vocabulary.names[int(one.labels[0])]  # type: ignore[index]
        return replace(shown, truth=Regions.empty(), captions=(self.template.format(name),))


@DATASETS.register_module()
class JoinedDatasets(Dataset[Sample]):
    """Several data sets, one after the other; ``source`` of a sample tells which it is from.

    Args:
        parts: Data sets by name.

    Raises:
        InputError: If there is none.
    """

    endless = False

    def __init__(self, parts: Mapping[str, Any]) -> None:
        if not parts:
            raise InputError("must join at least one data set, got none")
        self.parts = dict(parts)
        self.ends = np.cumsum([len(part) for part in self.parts.values()])
        self.metainfo: dict[str, Any] = {}

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a sample of the part that the index falls into."""
        index = key.index if isinstance(key, Draw) else key
        place = int(np.searchsorted(self.ends, index, side="right"))
        name, part = list(self.parts.items())[place]
        inside = index - (int(self.ends[place - 1]) if place else 0)
        inner = Draw(inside, key.count, key.seed) if isinstance(key, Draw) else inside
        sample: Sample = part[inner]
        return replace(sample, source=name)


@DATASETS.register_module(name="StickerNames")
def sticker_names() -> tuple[str, ...]:
    """Return all names the stickers' captions use."""
    return tuple(NAMES)

"""Mosaics: several pictures of a data set as one, so that objects are seen at more scales."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ovdet.data.samplers import Draw
from ovdet.data.transforms import resize
from ovdet.registry import DATASETS
from ovdet.structures import InputError, Regions, Sample


@DATASETS.register_module()
class Mosaic(Dataset[Sample]):
    """Square grids of n x n pictures, n drawn anew each time (OWL-ViT, Minderer 2022, App. A1.2).

    The first picture is the one that was drawn, so a pass still shows each of them; the others are
    drawn at random. Each is scaled into its cell, its shape kept, at the cell's upper left corner;
    what is left is black. Masks, captions and proposals are left out.

    Args:
        dataset: Samples of pictures, with their own transforms.
        side: Of the result, px; a multiple of every n.
        sizes: The n.
        shares: How often each n is drawn, of their sum.

    Raises:
        InputError: If ``side`` is no multiple of a size, or there is not one share a size.
    """

    endless = False

    def __init__(
        self,
        dataset: Any,
        *,
        side: int,
        sizes: Sequence[int] = (1, 2, 3),
        shares: Sequence[float] = (0.4, 0.3, 0.3),
    ) -> None:
        if len(sizes) != len(shares) or not shares or min(shares) < 0 or sum(shares) <= 0:
            raise InputError(f"needs one share a size, got {list(sizes)} and {list(shares)}")
        for size in sizes:
            if size < 1 or side % size:
                raise InputError(f"side must be a multiple of each size, got {side} px and {size}")
        self.dataset = dataset
        self.side = side
        self.sizes = tuple(sizes)
        self.shares = np.array(shares, np.float64) / sum(shares)

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def vocabulary(self) -> Any:
        """The classes of the pictures."""
        return self.dataset.vocabulary

    @property
    def metainfo(self) -> dict[str, Any]:
        """The classes; there is nothing to measure on."""
        return {"vocabulary": self.vocabulary}

    def image_counts(self) -> Any:
        """Return in how many of the pictures each class is annotated, [C]."""
        return self.dataset.image_counts()

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a mosaic; a plain index always gives the same one."""
        draw = Draw.of(key)
        rng = np.random.default_rng((draw.seed, draw.count, 1))  # apart from that of transforms
        size = int(rng.choice(self.sizes, p=self.shares))
        seeds = rng.integers(2**31, size=size * size).tolist()
        others = [Draw(int(rng.integers(len(self))), draw.count, seed) for seed in seeds[1:]]
        return compose([self.dataset[one] for one in (draw, *others)], self.side)


def compose(samples: Sequence[Sample], side: int) -> Sample:
    """Put n x n samples into one square picture, row by row.

    What one of the pictures shows without a box, or may show unlabelled, the whole does too; only
    what all of them are known not to show is known to be absent.

    Args:
        samples: n x n samples.
        side: Of the result, px; a multiple of n.
    """
    size = round(len(samples) ** 0.5)
    cell = side // size
    canvas = samples[0].image.new_zeros(3, side, side)
    parts: list[Regions] = []
    for place, sample in enumerate(samples):
        row, column = divmod(place, size)
        height, width = sample.image.shape[1:]
        scale = cell / max(height, width)
        high, wide = max(round(height * scale), 1), max(round(width * scale), 1)
        small = resize(replace(sample, proposals=None, semantic=None), high, wide)
        top, left = row * cell, column * cell
        canvas[:, top : top + high, left : left + wide] = small.image
        boxes = small.truth.boxes + torch.tensor([left, top, left, top])
        parts.append(small.truth.with_(boxes=boxes, masks=None))
    truth = Regions.gather(parts)
    first = samples[0]
    return Sample(
        canvas,
        first.image_id,
        first.file_name,
        (side, side),
        truth=truth.with_(owner=torch.zeros_like(truth.owner)),
        source=first.source,
        boxed=all(sample.boxed for sample in samples),
        positive=_union([sample.positive for sample in samples]),
        negative=tuple(sorted(set.intersection(*(set(s.negative) for s in samples)))),
        not_exhaustive=_union([sample.not_exhaustive for sample in samples]),
    )


def _union(lists: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sorted({label for labels in lists for label in labels}))

"""Images with sentences, from a JSON file that lists both.

The file is a list; of each image ``file_name`` and either ``caption``, one sentence, or
``captions``, several. ``id`` may number it; what else is there is left alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ovdet.data.annotations import brief, is_whole
from ovdet.data.images import read_rgb, to_float
from ovdet.data.packed import Packed
from ovdet.data.samplers import Draw
from ovdet.data.transforms import Transform, transformed
from ovdet.registry import DATASETS, TRANSFORMS
from ovdet.structures import InputError, Sample, read_json


@DATASETS.register_module()
class CaptionFileDataset(Dataset[Sample]):
    """Captioned images of a file; one sample an image, with all its sentences.

    Args:
        ann_file: The JSON file.
        image_dir: The folder of its ``file_name`` entries.
        transforms: Applied in order, each with the sample and the draw's own randomness.

    Raises:
        InputError: If the file is not usable, or an image is missing; the entry is named.
    """

    endless = False

    def __init__(self, ann_file: str, image_dir: str, transforms: Sequence[Transform] = ()) -> None:
        self.image_dir = Path(image_dir)
        self.transforms = tuple(transforms)
        path = Path(ann_file)
        entries = read_json(path)
        if not isinstance(entries, list) or not entries:
            raise InputError(f"{path}: must be a list of captioned images, not empty")
        self.entries = Packed(_checked(entries, path, self.image_dir))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a sample; a plain index always gives the same one.

        Raises:
            InputError: If its image cannot be read.
        """
        draw = Draw.of(key)
        number, name, captions = self.entries[draw.index]
        image = read_rgb(self.image_dir / name)
        size = (image.shape[0], image.shape[1])
        sample = Sample(to_float(image), number, name, size, captions=tuple(captions))
        return transformed(sample, self.transforms, draw)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Nothing is known beyond the samples."""
        return {}


@TRANSFORMS.register_module()
class PickCaption:
    """Keep one of an image's sentences, at random."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with one caption; one without any stays as it is."""
        if not sample.captions:
            return sample
        return replace(sample, captions=(sample.captions[rng.integers(len(sample.captions))],))


def _checked(entries: list[Any], path: Path, image_dir: Path) -> Iterator[Any]:
    """Yield number, file name and sentences of each image."""
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
            raise InputError(f"{path}: entry {place} must have a text 'file_name'")
        captions = entry["captions"] if "captions" in entry else [entry.get("caption")]
        if not isinstance(captions, list) or not captions or not all(map(_is_sentence, captions)):
            raise InputError(
                f"{path}: entry {place} must have a 'caption' or a list 'captions' of sentences, "
                f"got {brief(captions)}"
            )
        number = entry.get("id", place)
        if not is_whole(number):
            raise InputError(f"{path}: entry {place}: id must be a whole number, got {number!r}")
        if not (image_dir / entry["file_name"]).is_file():
            raise InputError(f"{path}: file {entry['file_name']!r} is missing from {image_dir}")
        yield number, entry["file_name"], captions


def _is_sentence(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())

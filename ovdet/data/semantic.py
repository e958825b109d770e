"""Images whose every pixel has a class, from index PNG files and a list of names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset

from ovdet.data.images import read_rgb, to_float
from ovdet.data.samplers import Draw
from ovdet.data.splits import read_vocabulary
from ovdet.data.transforms import Transform, transformed
from ovdet.registry import DATASETS
from ovdet.structures import IGNORED, InputError, Sample

_SUFFIXES = (".jpg", ".png", ".jpeg", ".JPG", ".webp", ".bmp")
_IGNORED_IN_FILES = {"L": 255, "P": 255, "I;16": 65_535, "I": 65_535}


@DATASETS.register_module()
class SemanticDataset(Dataset[Sample]):
    """Label maps and the images of the same names.

    A map is a PNG of one channel whose values are places in the vocabulary, from 0 on: 8 bits with
    255 ignored or, for more classes, 16 bits with 65,535 ignored.

    Args:
        label_dir: The folder of the maps; folders in it are walked.
        image_dir: The folder of the images, laid out as the maps; the suffix may differ.
        vocabulary: The classes: a vocabulary file, or a published one as ``@ade20k-150``.
        transforms: Applied in order, each with the sample and the draw's own randomness.
        hide_novel: Ignore the pixels of novel classes, as inductive zero-shot training does.

    Raises:
        InputError: If there is no map, or a map without an image.
    """

    endless = False

    def __init__(
        self,
        label_dir: str,
        image_dir: str,
        vocabulary: str,
        transforms: Sequence[Transform] = (),
        *,
        hide_novel: bool = False,
    ) -> None:
        self.vocabulary = read_vocabulary(vocabulary)
        self.transforms = tuple(transforms)
        self._table = _values(len(self.vocabulary))
        if hide_novel:
            novel = np.flatnonzero(self.vocabulary.novel_mask)
            self._table[novel] = IGNORED
        self.label_dir, self.image_dir = Path(label_dir), Path(image_dir)
        maps = sorted(path.relative_to(self.label_dir) for path in self.label_dir.rglob("*.png"))
        if not maps:
            raise InputError(f"{label_dir}: holds no label map, no file ending with .png")
        self.maps = np.array([str(path) for path in maps])
        self.images = np.array([_find_image(self.image_dir, path) for path in maps])

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a sample; a plain index always gives the same one.

        Raises:
            InputError: If image or map cannot be read, their sizes differ, or the map holds a
                value that is no class.
        """
        draw = Draw.of(key)
        return transformed(self.stored(draw.index), self.transforms, draw)

    def stored(self, index: int) -> Sample:
        """Return image number ``index`` and its map, before any transform."""
        image = read_rgb(self.image_dir / str(self.images[index]))
        labels = self.labels(index)
        if labels.shape != image.shape[:2]:
            raise InputError(
                f"{self.label_dir / str(self.maps[index])}: must be {image.shape[1]} x "
                f"{image.shape[0]} px as its image, got {labels.shape[1]} x {labels.shape[0]}"
            )
        return Sample(
            to_float(image),
            index,
            str(self.images[index]),
            (image.shape[0], image.shape[1]),
            semantic=torch.from_numpy(labels),
        )

    def labels(self, index: int) -> NDArray[np.int64]:
        """Return the map [H, W] of image number ``index``, ``IGNORED`` where there is no class."""
        path = self.label_dir / str(self.maps[index])
        values, ignored = read_label_map(path)
        classes = len(self.vocabulary)
        if (wrong := values[(values >= classes) & (values != ignored)]).size:
            raise InputError(
                f"{path}: must hold classes below {classes} or {ignored}, got {wrong[0]}"
            )
        return np.where(values == ignored, IGNORED, self._table[np.minimum(values, classes)])

    @property
    def metainfo(self) -> dict[str, Any]:
        """What an evaluator needs: the ``vocabulary``, and ``labels`` to give the map of an image.

        A sample's own map may have been resized; figures are taken at the stored size.
        """
        return {"vocabulary": self.vocabulary, "labels": self.labels}


def read_label_map(path: Path) -> tuple[NDArray[np.int64], int]:
    """Return the values [H, W] of a PNG of one channel, and the value that means ignored.

    Raises:
        InputError: If the file cannot be read or has several channels.
    """
    try:
        with Image.open(path) as image:
            mode, values = image.mode, np.asarray(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an image: {error}") from error
    if mode not in _IGNORED_IN_FILES:
        raise InputError(f"{path}: must be a label map of one channel, got the mode {mode}")
    return values.astype(np.int64), _IGNORED_IN_FILES[mode]


def _values(classes: int) -> NDArray[np.int64]:
    """Return the class of each value, with a last entry for what is none."""
    return np.append(np.arange(classes, dtype=np.int64), IGNORED)


def _find_image(folder: Path, name: Path) -> str:
    for suffix in _SUFFIXES:
        if (folder / name.with_suffix(suffix)).is_file():
            return str(name.with_suffix(suffix))
    raise InputError(f"{folder}: holds no image for the label map {name}, tried {_SUFFIXES}")

"""Regions prepared offline, one set for each image: boxes with their embeddings and labels."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ovdet.ops import match_regions
from ovdet.registry import DATASETS, TRANSFORMS
from ovdet.structures import InputError, Regions, Sample


@TRANSFORMS.register_module()
class LoadProposals:
    """Give each sample its stored proposals. Stands first among the transforms.

    Args:
        file: ``.safetensors`` or ``.npz`` with, for every image, ``<image id>.boxes`` [R, 4], xyxy,
            px of the stored image, and ``<image id>.embeddings`` [R, D]; where a labeler named
            them, also ``.labels`` [R] and ``.scores`` [R].
        shuffle: Deal all embeddings of the file out anew, to regions of any image: a control that
            shows what the embeddings are worth.
        near_truth: Keep only the regions that overlap an annotated object at least so much: a
            control that shows what unlabelled objects are worth. None keeps all.
        as_truth: The stored regions are labelled objects and stand in for the annotated ones.

    Raises:
        InputError: If the file cannot be read.
    """

    def __init__(
        self,
        file: str,
        *,
        shuffle: bool = False,
        near_truth: float | None = None,
        as_truth: bool = False,
    ) -> None:
        self.file = Path(file)
        self.arrays = _read_arrays(self.file)
        self.near_truth = near_truth
        self.as_truth = as_truth
        if shuffle:
            _shuffle(self.arrays)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG002
        """Set ``proposals``, or ``truth``.

        Raises:
            InputError: If the image has no entry, the entry is not R boxes with R embeddings, or
                objects have no labels.
        """
        boxes = self._entry(sample.image_id, "boxes")
        proposals = Regions(
            boxes,
            torch.zeros(len(boxes), dtype=torch.int64),
            embeddings=self._entry(sample.image_id, "embeddings"),
            labels=self._fact(sample.image_id, "labels"),
            scores=self._fact(sample.image_id, "scores"),
        )
        proposals.check(f"the proposals of image {sample.image_id} in {self.file}")
        if self.near_truth is not None:
            matches = match_regions(proposals.boxes, sample.truth.boxes, self.near_truth)
            proposals = proposals[matches >= 0]
        if not self.as_truth:
            return replace(sample, proposals=proposals)
        if proposals.labels is None and len(proposals):
            raise InputError(f"{self.file}: has no entry '{sample.image_id}.labels'")
        return replace(sample, truth=proposals)

    def _entry(self, image_id: int, what: str) -> torch.Tensor:
        key = f"{image_id}.{what}"
        if key not in self.arrays:
            raise InputError(f"{self.file}: has no entry '{key}'")
        return torch.from_numpy(self.arrays[key].astype(np.float32))

    def _fact(self, image_id: int, what: str) -> torch.Tensor | None:
        """Return labels, int64, or scores, where the file has them."""
        if f"{image_id}.{what}" not in self.arrays:
            return None
        value = self._entry(image_id, what)
        return value.long() if what == "labels" else value


@DATASETS.register_module()
class StoredCrops:
    """What an encoder saw in labelled boxes of a whole data set, by class.

    Args:
        file: As for :class:`LoadProposals`, with labels.

    Raises:
        InputError: If the file cannot be read or labels nothing.
    """

    def __init__(self, file: str) -> None:
        arrays = _read_arrays(Path(file))
        keys = sorted(key for key in arrays if key.endswith(".labels"))
        if not keys:
            raise InputError(f"{file}: must have entries '<image id>.labels', has none")
        labels = np.concatenate([arrays[key] for key in keys]).astype(np.int64)
        vectors = [arrays[key.removesuffix("labels") + "embeddings"] for key in keys]
        rows = torch.from_numpy(np.concatenate(vectors).astype(np.float32))
        self._crops = {int(c): rows[torch.from_numpy(labels == c)] for c in np.unique(labels)}

    def draw(self, label: int) -> torch.Tensor | None:
        """Return one of a class's embeddings, [D], at random; None where it has none.

        Draws from torch's global generator.
        """
        own = self._crops.get(label)
        if own is None:
            return None
        return own[int(torch.randint(len(own), ()))]


def _shuffle(arrays: dict[str, NDArray[np.float32]]) -> None:
    keys = sorted(key for key in arrays if key.endswith(".embeddings"))
    rows = np.concatenate([arrays[key] for key in keys])
    np.random.default_rng(0).shuffle(rows)
    ends = np.cumsum([len(arrays[key]) for key in keys])
    arrays.update(zip(keys, np.split(rows, ends[:-1]), strict=True))


def _read_arrays(file: Path) -> dict[str, NDArray[np.float32]]:
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
        return dict(load_file(file))
    except (OSError, ValueError, zipfile.BadZipFile, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read as arrays: {error}") from error

"""Regions prepared offline, one set for each image: boxes with their embeddings."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ovdet.ops import match_regions
from ovdet.registry import TRANSFORMS
from ovdet.structures import InputError, Regions, Sample


@TRANSFORMS.register_module()
class LoadProposals:
    """Give each sample its stored proposals. Stands first among the transforms.

    Args:
        file: ``.safetensors`` or ``.npz`` with, for every image, ``<image id>.boxes`` [R, 4], xyxy,
            px of the stored image, and ``<image id>.embeddings`` [R, D].
        shuffle: Deal all embeddings of the file out anew, to regions of any image: a control that
            shows what the embeddings are worth.
        near_truth: Keep only the regions that overlap an annotated object at least so much: a
            control that shows what unlabelled objects are worth. None keeps all.

    Raises:
        InputError: If the file cannot be read.
    """

    def __init__(
        self, file: str, *, shuffle: bool = False, near_truth: float | None = None
    ) -> None:
        self.file = Path(file)
        self.arrays = _read_arrays(self.file)
        self.near_truth = near_truth
        if shuffle:
            _shuffle(self.arrays)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG002
        """Set ``proposals``.

        Raises:
            InputError: If the image has no entry, or the entry is not R boxes with R embeddings.
        """
        boxes = self._entry(sample.image_id, "boxes")
        proposals = Regions(
            boxes,
            torch.zeros(len(boxes), dtype=torch.int64),
            embeddings=self._entry(sample.image_id, "embeddings"),
        )
        proposals.check(f"the proposals of image {sample.image_id} in {self.file}")
        if self.near_truth is not None:
            matches = match_regions(proposals.boxes, sample.truth.boxes, self.near_truth)
            proposals = proposals[matches >= 0]
        return replace(sample, proposals=proposals)

    def _entry(self, image_id: int, what: str) -> torch.Tensor:
        key = f"{image_id}.{what}"
        if key not in self.arrays:
            raise InputError(f"{self.file}: has no entry '{key}'")
        return torch.from_numpy(self.arrays[key].astype(np.float32))


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

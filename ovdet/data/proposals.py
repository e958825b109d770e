"""Regions prepared offline, one set for each image: boxes with their embeddings."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ovdet.registry import TRANSFORMS
from ovdet.structures import InputError, Regions, Sample


@TRANSFORMS.register_module()
class LoadProposals:
    """Give each sample its stored proposals. Stands first among the transforms.

    Args:
        file: ``.safetensors`` or ``.npz`` with, for every image, ``<image id>.boxes`` [R, 4], xyxy,
            px of the stored image, and ``<image id>.embeddings`` [R, D].

    Raises:
        InputError: If the file cannot be read.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.arrays = _read_arrays(self.file)

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
        return replace(sample, proposals=proposals)

    def _entry(self, image_id: int, what: str) -> torch.Tensor:
        key = f"{image_id}.{what}"
        if key not in self.arrays:
            raise InputError(f"{self.file}: has no entry '{key}'")
        return torch.from_numpy(self.arrays[key].astype(np.float32))


def _read_arrays(file: Path) -> dict[str, NDArray[np.float32]]:
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
        return dict(load_file(file))
    except (OSError, ValueError, zipfile.BadZipFile, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read as arrays: {error}") from error

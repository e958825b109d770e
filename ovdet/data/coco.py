"""Images with boxes, masks, classes and labels without a place, from files in COCO's format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ovdet.data.annotations import read_annotations
from ovdet.data.images import read_sized, to_float
from ovdet.data.samplers import Draw
from ovdet.data.splits import read_vocabulary
from ovdet.data.transforms import Transform, transformed
from ovdet.ops.rle import decode_segmentation
from ovdet.registry import DATASETS
from ovdet.structures import Regions, Sample


@DATASETS.register_module()
class CocoDataset(Dataset[Sample]):
    """A COCO instances file and its images.

    Base and novel classes come from ``novel`` in the file's categories, or from the vocabulary. An
    image may also list classes: ``neg_category_ids`` and ``not_exhaustive_category_ids`` as LVIS
    has them, and ``pos_category_ids``, image labels, as Detic; a file may consist of those alone.

    Args:
        ann_file: The JSON file.
        image_dir: The folder of its ``file_name`` entries.
        transforms: Applied in order, each with the sample and the draw's own randomness.
        skip_bad: Leave out bad entries, with one warning, instead of refusing the file.
        filter_empty: Leave out images without an object or a label to learn.
        vocabulary: A vocabulary file, or a published vocabulary as ``@lvis-v1``, that orders and
            limits the classes.
        cache_images: Keep decoded images in memory (3 bytes a pixel).

    Raises:
        InputError: If the file is not usable; the message names the entry's id.
    """

    endless = False

    def __init__(
        self,
        ann_file: str,
        image_dir: str,
        transforms: Sequence[Transform] = (),
        *,
        skip_bad: bool = False,
        filter_empty: bool = False,
        vocabulary: str | None = None,
        cache_images: bool = False,
    ) -> None:
        self.image_dir = Path(image_dir)
        self.transforms = tuple(transforms)
        chosen = None if vocabulary is None else read_vocabulary(vocabulary)
        self.annotations, self.vocabulary = read_annotations(
            Path(ann_file), self.image_dir, skip_bad=skip_bad, vocabulary=chosen
        )
        if self.annotations.skipped:
            print_log(f"{ann_file}: left out {self.annotations.skipped} bad entries", "current", 30)
        self.indices = np.arange(len(self.annotations))
        if filter_empty:
            labelled = set(self.annotations.positive[:, 0].tolist())
            every = range(len(self.annotations))
            kept = [i in labelled or bool(self._objects(i)) for i in every]
            self.indices = np.flatnonzero(kept)
        self._cache: dict[int, NDArray[np.uint8]] | None = {} if cache_images else None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a sample; a plain index always gives the same one.

        Raises:
            InputError: If its image cannot be read, or has another size than the file says.
        """
        draw = Draw.of(key)
        return transformed(self.stored(int(self.indices[draw.index])), self.transforms, draw)

    def stored(self, index: int) -> Sample:
        """Return image number ``index`` of the file and its objects, before any transform."""
        record = self.annotations
        image = self._image(index)
        objects = self._objects(index)
        truth = Regions(
            torch.from_numpy(record.boxes[objects]),
            torch.zeros(len(objects), dtype=torch.int64),
            labels=torch.from_numpy(record.labels[objects]),
            masks=self._masks(index, objects),
        )
        return Sample(
            to_float(image),
            int(record.image_ids[index]),
            str(record.file_names[index]),
            (image.shape[0], image.shape[1]),
            truth=truth,
            positive=record.labels_of(record.positive, index),
            negative=record.labels_of(record.negative, index),
            not_exhaustive=record.labels_of(record.not_exhaustive, index),
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """What an evaluator needs: the ``vocabulary`` and the ``truth`` in COCO's own form."""
        return {"vocabulary": self.vocabulary, "truth": self.to_coco}

    def to_coco(self) -> dict[str, list[dict[str, Any]]]:
        """Return the data set as a COCO object; crowds and areas as the file has them."""
        record, ids = self.annotations, self.vocabulary.category_ids
        images, annotations = [], []
        for index in map(int, self.indices):
            image_id = int(record.image_ids[index])
            height, width = map(int, record.sizes[index])
            name = str(record.file_names[index])
            image = {"id": image_id, "file_name": name, "height": height, "width": width}
            images.append(image | self._listed(index))
            for i in record.of_image(index):
                x1, y1, x2, y2 = map(float, record.boxes[i])
                entry = {
                    "id": int(record.ids[i]),
                    "image_id": image_id,
                    "category_id": ids[record.labels[i]],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(record.areas[i]),
                    "iscrowd": int(record.crowd[i]),
                }
                segmentation = record.segmentation(i)
                annotations.append(entry | ({"segmentation": segmentation} if segmentation else {}))
        names = zip(ids, self.vocabulary.names, strict=True)
        categories: list[dict[str, Any]] = [{"id": i, "name": name} for i, name in names]
        for category, frequency in zip(categories, self.vocabulary.frequency, strict=False):
            category["frequency"] = frequency
        return {"images": images, "annotations": annotations, "categories": categories}

    def image_counts(self) -> NDArray[np.int64]:
        """Return for each of the C classes in how many images an object of it is annotated."""
        record = self.annotations
        owners = np.repeat(np.arange(len(record)), np.diff(record.starts))
        pairs = np.unique(np.stack([owners, record.labels], axis=1)[~record.crowd], axis=0)
        return np.bincount(pairs[:, 1], minlength=len(self.vocabulary))

    def _listed(self, index: int) -> dict[str, list[int]]:
        """Return the classes that an image lists, by LVIS's keys; nothing in a plain COCO file."""
        record, ids = self.annotations, self.vocabulary.category_ids
        if not record.federated:
            return {}
        pairs = {
            "neg_category_ids": record.negative,
            "not_exhaustive_category_ids": record.not_exhaustive,
        }
        return {key: [ids[i] for i in record.labels_of(of, index)] for key, of in pairs.items()}

    def _objects(self, index: int) -> list[int]:
        return [i for i in self.annotations.of_image(index) if not self.annotations.crowd[i]]

    def _image(self, index: int) -> NDArray[np.uint8]:
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        path = self.image_dir / str(self.annotations.file_names[index])
        image = read_sized(path, self.annotations.sizes[index])
        if self._cache is not None:
            self._cache[index] = image
        return image

    def _masks(self, index: int, objects: list[int]) -> torch.Tensor | None:
        """Return [R, H, W], empty where a mask is unknown; None where the file has no masks."""
        if len(self.annotations.segmentations) == 0:
            return None
        height, width = map(int, self.annotations.sizes[index])
        masks = np.zeros((len(objects), height, width), np.bool_)
        for mask, i in zip(masks, objects, strict=True):
            segmentation = self.annotations.segmentation(i)
            if segmentation is not None:
                mask[:] = decode_segmentation(segmentation, height, width)
        return torch.from_numpy(masks)


def collate(samples: list[Sample]) -> dict[str, list[Sample]]:
    """Make a batch: the keyword arguments of a model's ``forward``."""
    return {"samples": samples}

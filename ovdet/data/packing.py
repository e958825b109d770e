"""Annotations on their way into arrays: one at a time, so that a large file is never held whole."""

import json
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Columns:
    """A growing table of checked annotations.

    Args:
        owners: Image id to its number.
        labels: Category id to its label; annotations of others are left out.
    """

    def __init__(self, owners: Mapping[int, int], labels: Mapping[int, int]) -> None:
        self._owners, self._labels = owners, labels
        self._numbers = array("q")  # image, id, label and crowd of each
        self._reals = array("d")  # x, y, width, height and area of each
        self._texts = bytearray()
        self._ends = array("q")

    def add(self, entry: dict[str, Any]) -> None:
        """Append an annotation of a COCO file; what it holds was checked before."""
        label = self._labels.get(entry["category_id"])
        if label is None:
            return
        box = entry["bbox"]
        crowd = bool(entry.get("iscrowd", 0))
        self._numbers.extend((self._owners[entry["image_id"]], entry["id"], label, crowd))
        self._reals.extend((*box, entry.get("area", box[2] * box[3])))
        if segmentation := entry.get("segmentation"):
            self._texts += json.dumps(segmentation).encode()
        self._ends.append(len(self._texts))

    def pack(self, sizes: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the columns of ``Annotations``, sorted by image, within one as they came.

        Args:
            sizes: [N, 2], height and width of each image, px.
        """
        numbers = np.frombuffer(self._numbers, np.int64).reshape(-1, 4)
        reals = np.frombuffer(self._reals, np.float64).reshape(-1, 5)
        ends = np.frombuffer(self._ends, np.int64)
        order = np.argsort(numbers[:, 0], kind="stable")
        owner, number, label, crowd = numbers[order].T
        boxes = reals[order, :4]
        boxes[:, 2:] += boxes[:, :2]
        boxes = np.clip(boxes, 0, sizes[owner][:, [1, 0, 1, 0]])
        starts = np.append(0, ends[:-1])[: len(ends)]
        return {
            "starts": np.searchsorted(owner, np.arange(len(sizes) + 1)).astype(np.int64),
            "ids": number.copy(),
            "boxes": boxes.astype(np.float32),
            "labels": label.copy(),
            "areas": reals[order, 4],
            "crowd": crowd.astype(np.bool_),
            "segmentations": np.frombuffer(self._texts, np.uint8),
            "spans": np.stack([starts, ends], axis=1)[order],
        }

"""COCO JSON out: pictures, what was found in them, and the categories asked for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from ovdet.structures import Vocabulary, atomic_write

Rle = dict[str, Any]
Mask = NDArray[np.bool_]


def decode_mask(rle: Rle) -> Mask:
    """Return the mask [H, W] that a COCO run-length record holds."""
    decoded: Mask = coco_mask.decode(rle).astype(np.bool_)
    return decoded


def text_counts(rle: Rle) -> Rle:
    """Return a run-length record with its counts as text, as JSON wants them."""
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": list(rle["size"]), "counts": text}


class CocoFile:
    """A COCO file that grows by one picture at a time.

    Args:
        vocabulary: The classes; category ids are its ``category_ids``.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._categories = categories(vocabulary)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, size: tuple[int, int], records: list[dict[str, Any]]) -> None:
        """Add one picture; it gets the next image id, from 1 on.

        Args:
            file_name: The picture's name.
            size: (height, width), px.
            records: COCO results; their ``image_id`` is replaced.
        """
        image_id = len(self._images) + 1
        height, width = size
        image = {"id": image_id, "file_name": file_name, "width": width, "height": height}
        self._images.append(image)
        for record in records:
            self._annotations.append(annotation(record, len(self._annotations) + 1, image_id))

    def to_dict(self) -> dict[str, Any]:
        """Return ``images``, ``annotations`` and ``categories``."""
        return {
            "images": self._images,
            "annotations": self._annotations,
            "categories": self._categories,
        }

    def save(self, path: Path) -> None:
        """Write the file; a reader sees the old one or the new one.

        Raises:
            OSError: If it cannot be written.
        """
        _write_json(path, self.to_dict())


def annotation(record: dict[str, Any], number: int, image_id: int) -> dict[str, Any]:
    """Return a COCO result as an annotation.

    Args:
        record: The result; its ``image_id`` is replaced.
        number: The annotation's id.
        image_id: The picture's id.
    """
    facts = {"id": number, "area": _area(record), "iscrowd": 0}
    return {**record, **facts, "image_id": image_id}


def _area(record: dict[str, Any]) -> float:
    if "segmentation" in record:
        return float(coco_mask.area(record["segmentation"]))
    return float(round(record["bbox"][2] * record["bbox"][3], 3))


class PanopticFile:
    """A COCO panoptic file that grows by one picture at a time.

    Args:
        vocabulary: The classes; category ids are its ``category_ids``.
        things: For each class whether it is countable; ``isthing`` is left out where this is empty.
    """

    def __init__(self, vocabulary: Vocabulary, things: Sequence[bool] = ()) -> None:
        self._categories = categories(vocabulary)
        for category, thing in zip(self._categories, things, strict=bool(things)):
            category["isthing"] = int(thing)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(
        self, file_name: str, size: tuple[int, ...], png_name: str, segments: list[dict[str, Any]]
    ) -> None:
        """Add one picture; it gets the next image id, from 1 on.

        Args:
            file_name: The picture's name.
            size: (height, width), px.
            png_name: The name of its PNG in the folder of those.
            segments: COCO's ``segments_info``.
        """
        image_id = len(self._images) + 1
        height, width = size
        image = {"id": image_id, "file_name": file_name, "width": width, "height": height}
        self._images.append(image)
        entry = {"image_id": image_id, "file_name": png_name, "segments_info": segments}
        self._annotations.append(entry)

    def save(self, path: Path) -> None:
        """Write the file; a reader sees the old one or the new one.

        Raises:
            OSError: If it cannot be written.
        """
        record = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": self._categories,
        }
        _write_json(path, record)


def encode_ids(ids: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return segment ids [H, W] below 256^3 as colours [H, W, 3]: R + 256 G + 256^2 B."""
    return np.stack([(ids >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)], axis=-1)


def categories(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return the categories of a vocabulary; ids are its ``category_ids``."""
    pairs = zip(vocabulary.category_ids, vocabulary.names, strict=True)
    return [{"id": category, "name": name} for category, name in pairs]


def _write_json(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, ensure_ascii=False, sort_keys=True)
    # A file name need not be UTF-8; what is not becomes an escape, which JSON knows too.
    atomic_write(path, (text + "\n").encode("utf-8", "backslashreplace"))

"""Scenes as COCO annotations, the same bytes on every machine."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from ovdet.data.stickers.scenes import Placed, Scene
from ovdet.data.stickers.split import Category

ORIGIN = {"description": "rendered from Noto Color Emoji, OFL 1.1"}
"""What every annotation file says of itself under ``info``."""


def encode_json(record: Any) -> bytes:
    """Write a record as JSON with sorted keys and fixed separators, UTF-8."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return (text + "\n").encode()


def annotate(thing: Placed, number: int, image_id: int, category_id: int) -> dict[str, Any]:
    """Return the COCO annotation of one object, the mask as run lengths."""
    x1, y1, x2, y2 = thing.box
    run_lengths = coco_mask.encode(np.asfortranarray(thing.mask.astype(np.uint8)))
    return {
        "area": int(thing.mask.sum()),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "category_id": category_id,
        "id": number,
        "image_id": image_id,
        "segmentation": {
            "counts": run_lengths["counts"].decode("ascii"),
            "size": list(thing.mask.shape),
        },
    }


class CocoWriter:
    """Collects scenes and gives them out as one COCO annotation file.

    Args:
        categories: All classes of the track; the file lists every one of them.
    """

    def __init__(self, categories: Sequence[Category]) -> None:
        self.categories = [
            {"id": item.id, "name": item.name, "novel": item.novel} for item in categories
        ]
        self._ids = {item.name: item.id for item in categories}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, scene: Scene, file_name: str) -> tuple[int, list[int]]:
        """Add one image with all its objects; return its id and theirs."""
        height, width = scene.image.shape[:2]
        number = len(self._images) + 1
        image = {"file_name": file_name, "height": height, "id": number, "width": width}
        self._images.append(image)
        for thing in scene.objects:
            count = len(self._annotations) + 1
            entry = annotate(thing, count, number, self._ids[thing.name])
            self._annotations.append(entry | {"iscrowd": 0})
        last = len(self._annotations)
        return number, list(range(last - len(scene.objects) + 1, last + 1))

    def labels_to_json(self) -> bytes:
        """Return the file of what is in each image and not where: Detic's ``pos_category_ids``."""
        shown: dict[int, set[int]] = {image["id"]: set() for image in self._images}
        for entry in self._annotations:
            shown[entry["image_id"]].add(entry["category_id"])
        images = [i | {"pos_category_ids": sorted(shown[i["id"]])} for i in self._images]
        return encode_json(
            {
                "annotations": [],
                "categories": self.categories,
                "images": images,
                "info": ORIGIN,
            }
        )

    def to_json(
        self, keep: frozenset[str] | None = None, more: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the file.

        Args:
            keep: Names of the classes whose objects are annotated; all by default. Images without
                an annotated object stay, and so do ids.
            more: What else the file holds.
        """
        wanted = {self._ids[name] for name in (self._ids if keep is None else keep)}
        annotations = [item for item in self._annotations if item["category_id"] in wanted]
        return encode_json(
            {
                "annotations": annotations,
                "categories": self.categories,
                "images": self._images,
                "info": ORIGIN,
                **(more or {}),
            }
        )

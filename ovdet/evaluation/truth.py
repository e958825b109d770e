"""What results are measured against: a COCO or LVIS object, checked and sorted by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.structures import InputError, read_json

Coco = dict[str, list[dict[str, Any]]]
Ints = NDArray[np.int64]

_LISTS = ("images", "annotations", "categories")
_SEQUENCES, _NUMBERS = (list, tuple), (int, float)
_FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")


@dataclass(frozen=True)
class Truth:
    """N images and K classes; images, classes and objects have new ids that count from 1.

    Attributes:
        image_ids: [N], the old ids, ascending.
        category_ids: [K], the old ids, ascending.
        images: N images, each with ``id``, ``height`` and ``width`` (0 where unknown) and, where
            they are federated, ``neg_category_ids`` and ``not_exhaustive_category_ids``.
        objects: For each image its annotations, in the order of the file.
    """

    image_ids: Ints
    category_ids: Ints
    images: list[dict[str, Any]]
    objects: list[list[dict[str, Any]]]

    @property
    def categories(self) -> list[dict[str, Any]]:
        """The K classes as COCO has them."""
        return [{"id": i, "name": str(i)} for i in range(1, len(self.category_ids) + 1)]


def read_truth(path: Path) -> Coco:
    """Read a COCO or LVIS annotation file.

    Raises:
        InputError: If it is not JSON, or lacks one of the three lists, or an id stands twice; the
            message begins with the path.
    """
    record = read_json(path)
    for key in _LISTS:
        if not isinstance(record, dict) or not isinstance(record.get(key), list):
            raise InputError(f"{path}: must be a COCO object with a list '{key}'")
        if not all(isinstance(entry, dict) for entry in record[key]):
            raise InputError(f"{path}: {key} must be objects")
    try:
        _by_id(record["images"], "image")
        _by_id(record["categories"], "category")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return {key: record[key] for key in _LISTS}


def as_truth(truth: Coco, kind: str = "bbox", *, federated: bool = False) -> Truth:
    """Return a COCO object by image.

    Args:
        truth: ``images``, ``annotations`` and ``categories``.
        kind: ``bbox``, or a kind that needs masks.
        federated: Also take LVIS's lists of the classes that were looked for.

    Raises:
        InputError: If an id stands twice, an annotation is of an unknown image or category or lacks
            what ``kind`` needs, or an image lacks LVIS's lists; the message names it.
    """
    images = _by_id(truth["images"], "image")
    categories = _by_id(truth["categories"], "category")
    number = {category: i for i, category in enumerate(categories, 1)}
    place = {image: i for i, image in enumerate(images)}
    objects: list[list[dict[str, Any]]] = [[] for _ in images]
    for count, annotation in enumerate(truth["annotations"], 1):
        _check(annotation, place, number)
        row = place[annotation["image_id"]]
        if kind != "bbox":
            _check_mask(annotation, images[annotation["image_id"]])
        entry = {
            "id": count,  # pycocotools takes an object with the id 0 for no object
            "image_id": row + 1,
            "category_id": number[annotation["category_id"]],
            "bbox": annotation["bbox"],
            "area": annotation["area"],
            "iscrowd": 0 if federated else int(bool(annotation.get("iscrowd"))),
        }
        if kind != "bbox":
            entry["segmentation"] = annotation["segmentation"]
        if federated and annotation.get("ignore"):
            entry["ignore"] = 1
        objects[row].append(entry)
    return Truth(
        image_ids=np.array(list(images), np.int64),
        category_ids=np.array(list(categories), np.int64),
        images=[
            _image(i, entry, number, federated=federated)
            for i, entry in enumerate(images.values(), 1)
        ],
        objects=objects,
    )


def _by_id(entries: Sequence[dict[str, Any]], what: str) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        if type(entry.get("id")) is not int:
            raise InputError(f"{what} {place} of the truth must have a whole number as its id")
        if entry["id"] in found:
            raise InputError(f"{what} ids of the truth must be distinct, got {entry['id']} twice")
        found[entry["id"]] = entry
    return dict(sorted(found.items()))


def _image(
    number: int, entry: dict[str, Any], categories: dict[int, int], *, federated: bool
) -> dict[str, Any]:
    image = {"id": number, "height": entry.get("height", 0), "width": entry.get("width", 0)}
    for key in _FEDERATED if federated else ():
        if not isinstance(entry.get(key), list):
            raise InputError(
                f"image {entry['id']} of the truth has no {key}: LVIS's rules need to know which "
                "classes were looked for"
            )
        image[key] = [categories[category] for category in entry[key] if category in categories]
    return image


def _check(annotation: dict[str, Any], images: dict[int, int], categories: dict[int, int]) -> None:
    """Check an annotation in one breath: a data set has a million."""
    if (
        annotation.get("image_id") in images
        and annotation.get("category_id") in categories
        and isinstance(annotation.get("bbox"), _SEQUENCES)
        and len(annotation["bbox"]) == 4
        and type(annotation.get("area")) in _NUMBERS
    ):
        return
    name = f"annotation {annotation.get('id')} of the truth"
    for key, known in (("image_id", images), ("category_id", categories)):
        if annotation.get(key) not in known:
            raise InputError(f"{name} must have a known {key}, got {annotation.get(key)}")
    box, area = annotation.get("bbox"), annotation.get("area")
    if not isinstance(box, _SEQUENCES) or len(box) != 4:
        raise InputError(f"{name} must have a bbox of four numbers, got {box}")
    raise InputError(f"{name} must have a number as its area, got {area}")


def _check_mask(annotation: dict[str, Any], image: dict[str, Any]) -> None:
    name, found = f"annotation {annotation.get('id')} of the truth", annotation.get("segmentation")
    if not found:
        raise InputError(f"mask evaluation needs a segmentation, {name} has none")
    size = [image.get("height"), image.get("width")]
    if not all(type(side) is int and side > 0 for side in size):
        raise InputError(f"image {image['id']} of the truth must have a height and a width")
    if isinstance(found, dict) and (found.get("size") != size or "counts" not in found):
        told = found.get("size")
        raise InputError(f"mask of {name} must be of its image's size {size}, got {told}")

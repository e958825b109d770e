"""What results are measured against: a COCO or LVIS object, checked and sorted by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.columns import MISSHAPEN, is_number, read_boxes, read_column
from ovdet.evaluation.run_lengths import are_polygons, is_filled, is_rle
from ovdet.structures import InputError, read_json

Coco = dict[str, list[dict[str, Any]]]
Ints = NDArray[np.int64]

_LISTS = ("images", "annotations", "categories")
_LARGEST = 2**16  # px of a side
_HUGE = 1e15
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
        _check_sizes(_by_id(record["images"], "image"))
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
        InputError: If an id stands twice, a size is no number, an annotation is of an unknown
            image or category or lacks what ``kind`` needs, or an image lacks LVIS's lists; the
            message names it.
    """
    images = _by_id(truth["images"], "image")
    _check_sizes(images)
    categories = _by_id(truth["categories"], "category")
    number = {category: i for i, category in enumerate(categories, 1)}
    place = {image: i for i, image in enumerate(images)}
    objects: list[list[dict[str, Any]]] = [[] for _ in images]
    _check(truth["annotations"], place, number)
    if kind != "bbox":
        _check_masks(truth["annotations"], images)
    for count, annotation in enumerate(truth["annotations"], 1):
        row = place[annotation["image_id"]]
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
        number = entry.get("id")
        if type(number) is not int or abs(number) >= 2**63:
            raise InputError(f"{what} {place} of the truth must have a whole number as its id")
        if number in found:
            raise InputError(f"{what} ids of the truth must be distinct, got {number} twice")
        found[number] = entry
    return dict(sorted(found.items()))


def _check_sizes(images: dict[int, dict[str, Any]]) -> None:
    for number, image in images.items():
        for key in ("height", "width"):
            if key in image and not (type(image[key]) is int and 0 < image[key] < _LARGEST):
                raise InputError(
                    f"{key} of image {number} of the truth must be a whole number above 0, "
                    f"got {image[key]}"
                )


def _image(
    number: int, entry: dict[str, Any], categories: dict[int, int], *, federated: bool
) -> dict[str, Any]:
    image = {"id": number, "height": entry.get("height", 0), "width": entry.get("width", 0)}
    for key in _FEDERATED if federated else ():
        listed = entry.get(key)
        if not isinstance(listed, list) or not all(type(category) is int for category in listed):
            raise InputError(
                f"image {entry['id']} of the truth has no {key}, a list of category ids: LVIS's "
                "rules need to know which classes were looked for"
            )
        image[key] = [categories[category] for category in listed if category in categories]
    return image


def _check(
    annotations: list[dict[str, Any]], images: dict[int, int], categories: dict[int, int]
) -> None:
    """Check all annotations at once, and look at each only where something is wrong."""
    try:
        for key, known in (("image_id", images), ("category_id", categories)):
            if set(read_column(annotations, key, whole=True).tolist()) - known.keys():
                raise KeyError(key)
        numbers = read_boxes(annotations), read_column(annotations, "area", whole=False)
        if not all((np.abs(values) < _HUGE).all() for values in numbers):  # nor NaN
            raise ValueError
    except MISSHAPEN:
        for annotation in annotations:
            _check_one(annotation, images, categories)
        raise  # not reached: one of them was wrong


def _check_one(
    annotation: dict[str, Any], images: dict[int, int], categories: dict[int, int]
) -> None:
    name = _name(annotation)
    for key, known in (("image_id", images), ("category_id", categories)):
        value = annotation.get(key)
        if not is_number(type(value), whole=True) or value not in known:
            raise InputError(f"{name} must have a known {key}, got {value}")
    box, area = annotation.get("bbox"), annotation.get("area")
    sides = list(box) if isinstance(box, list | tuple | np.ndarray) else []
    if len(sides) != 4 or not all(map(_is_finite, sides)):
        raise InputError(f"{name} must have a bbox of four numbers, got {box}")
    if not _is_finite(area):
        raise InputError(f"{name} must have a number as its area, got {area}")


def _is_finite(value: Any) -> bool:
    return is_number(type(value), whole=False) and bool(-_HUGE < value < _HUGE)


def _check_masks(annotations: list[dict[str, Any]], images: dict[int, dict[str, Any]]) -> None:
    packed = []
    for annotation in annotations:
        name, found = _name(annotation), annotation.get("segmentation")
        if not found:
            raise InputError(f"mask evaluation needs a segmentation, {name} has none")
        image = images[annotation["image_id"]]
        if not {"height", "width"} <= image.keys():
            raise InputError(f"image {image['id']} of the truth must have a height and a width")
        size = [image["height"], image["width"]]
        if isinstance(found, list):
            if not are_polygons(found, max(size)):
                raise InputError(
                    f"{name} must have polygons of three points or more near the image"
                )
        elif not is_rle(found) or list(found["size"]) != size:
            told = found.get("size") if isinstance(found, dict) else found
            raise InputError(f"mask of {name} must be of its image's size {size}, got {told}")
        else:
            packed.append(annotation)
    right = is_filled([annotation["segmentation"] for annotation in packed])
    if not right.all():
        first = packed[int(np.argmin(right))]
        raise InputError(f"runs of {_name(first)} must fill its image")


def _name(annotation: dict[str, Any]) -> str:
    return f"annotation {annotation.get('id')} of the truth"

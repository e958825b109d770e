"""COCO annotation files: everything is checked once, then kept as arrays.

Arrays, because a list of dicts would be copied into every loader process as it is touched, and
would take the memory of several while it is read. The file is read twice instead, as images and
categories may stand behind the annotations that name them.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.data.packing import Columns
from ovdet.data.streams import read_sections
from ovdet.ops.rle import check_segmentation
from ovdet.structures import InputError, Vocabulary, without_collection

_SLACK = 1.0  # px a box may reach over the image's edge, as rounding in real files does
_LISTS = {
    "positive": "pos_category_ids",
    "negative": "neg_category_ids",
    "not_exhaustive": "not_exhaustive_category_ids",
}
_OF_IMAGES = ("file_name", "height", "width", *_LISTS.values())
_ALIKE = 0.9  # of a vocabulary's names, before ids are trusted for the others
_LARGEST = 2**31  # COCO's evaluators keep ids and sizes in 64 bits, pictures in far fewer


@dataclass(frozen=True)
class Annotations:
    """N images with A annotations; those of image i stand at ``starts[i]`` to ``starts[i + 1]``.

    Attributes:
        image_ids: [N], int64.
        file_names: [N], text, below the image folder.
        sizes: [N, 2], height and width, px.
        starts: [N + 1], int64.
        ids: [A], int64.
        boxes: [A, 4], float32, xyxy, px, inside the image.
        labels: [A], int64, indices into the vocabulary.
        areas: [A], float64, px.
        crowd: [A], bool; such regions are neither truth for training nor misses in evaluation.
        segmentations: JSON texts, one after the other; ``spans`` tells where each lies. An empty
            one means that the annotation has no mask.
        spans: [A, 2], int64, where the text of each begins and ends.
        positive: [K, 2], int64, image and label: classes an image is known to show. Sorted.
        negative: [K, 2], as ``positive``: classes it is known not to show.
        not_exhaustive: [K, 2], as ``positive``: classes of which it may hold unlabelled objects.
        federated: Whether the file speaks of negative classes at all, as LVIS does: what is neither
            annotated nor negative in an image is then unknown there.
        skipped: How many entries of the file were bad and were left out.
    """

    image_ids: NDArray[np.int64]
    file_names: NDArray[np.str_]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    segmentations: NDArray[np.uint8]
    spans: NDArray[np.int64]
    positive: NDArray[np.int64]
    negative: NDArray[np.int64]
    not_exhaustive: NDArray[np.int64]
    federated: bool = False
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.image_ids)

    def of_image(self, index: int) -> range:
        """Return the annotations of image number ``index``."""
        return range(int(self.starts[index]), int(self.starts[index + 1]))

    def labels_of(self, pairs: NDArray[np.int64], index: int) -> tuple[int, ...]:
        """Return the labels that ``positive`` or its like has for image number ``index``."""
        first, last = np.searchsorted(pairs[:, 0], [index, index + 1])
        return tuple(pairs[first:last, 1].tolist())

    def segmentation(self, annotation: int) -> Any:
        """Return the COCO ``segmentation`` of an annotation, or None."""
        start, end = self.spans[annotation]
        text = self.segmentations[start:end]
        return json.loads(text.tobytes()) if len(text) else None


def read_annotations(
    path: Path, image_dir: Path, *, skip_bad: bool = False, vocabulary: Vocabulary | None = None
) -> tuple[Annotations, Vocabulary]:
    """Read and check a COCO instances file.

    Args:
        path: The JSON file.
        image_dir: The folder its ``file_name`` entries are relative to.
        skip_bad: Leave out bad images and annotations; else the first is an error.
        vocabulary: Orders and limits the classes; None takes the file's categories as they stand.

    Returns:
        The annotations and the classes their labels point into.

    Raises:
        InputError: If the file cannot be read, its shape is not COCO's, ``vocabulary`` names a
            class the file does not have, or an entry is bad and ``skip_bad`` is off.
    """
    with without_collection():
        listed = _read_lists(path)
        own = read_categories(listed["categories"], path)
        chosen = own if vocabulary is None else choose_classes(own, vocabulary, path)
        problems: list[str] = []
        categories = set(own.category_ids)
        images = _good_images(listed.pop("images"), image_dir, categories, problems)
        labels = {category: label for label, category in enumerate(chosen.category_ids)}
        columns = Columns({number: i for i, number in enumerate(images)}, labels)
        for section in read_sections(path):
            if section.key == "annotations":
                entries = (entry for entry, _ in section.entries)
                for entry in _good_annotations(entries, images, categories, problems):
                    columns.add(entry)
    if problems and not skip_bad:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(f"{path}: {problems[0]}{more}; --skip-bad leaves such entries out")
    if not images:
        raise InputError(f"{path}: must hold at least one usable image")
    return _pack(images, columns, labels, len(problems)), chosen


def _read_lists(path: Path) -> dict[str, list[Any]]:
    """Return images and categories, where the file lists them and annotations once each."""
    found: dict[str, list[Any]] = {}
    for section in read_sections(path):
        if section.key in {"images", "annotations", "categories"} and section.listed:
            if section.key in found:
                raise InputError(f"{path}: '{section.key}' must stand once, it stands twice")
            kept = section.key != "annotations"
            found[section.key] = [entry for entry, _ in section.entries] if kept else []
    for key in ("images", "annotations", "categories"):
        if key not in found:
            raise InputError(f"{path}: must be a COCO object with a list '{key}'")
    return found


def read_categories(entries: list[Any], path: Path) -> Vocabulary:
    """Return the categories of a COCO file as a vocabulary, with what all of them say.

    Raises:
        InputError: If one has no id or name, or id, name or a fact is not usable.
    """
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not is_whole(entry.get("id")):
            raise InputError(f"{path}: category {i} must have a whole number 'id'")
        if not isinstance(entry.get("name"), str):
            raise InputError(f"{path}: category {entry['id']} must have a text 'name'")
    try:
        return Vocabulary(
            tuple(entry["name"] for entry in entries),
            synonyms=_fact(entries, "synonyms", list),
            descriptions=_fact(entries, "def", str),
            novel=_fact(entries, "novel", bool),
            frequency=_fact(entries, "frequency", str),
            ids=tuple(entry["id"] for entry in entries),
        )
    except InputError as error:
        raise InputError(f"{path}: categories: {error}") from error


def _fact(entries: list[dict[str, Any]], key: str, kind: type) -> tuple[Any, ...]:
    """Return what all categories say under ``key``, or nothing where one does not say it."""
    if not all(isinstance(entry.get(key), kind) for entry in entries):
        return ()
    return tuple(tuple(map(str, e[key])) if kind is list else e[key] for e in entries)


def choose_classes(own: Vocabulary, wanted: Vocabulary, path: Path) -> Vocabulary:
    """Return the wanted classes in their order, with the ids and facts of the file.

    Raises:
        InputError: If the file does not have one of them.
    """
    order = _places(own, wanted, path)

    def pick(fact: str) -> tuple[Any, ...]:
        values = getattr(own, fact)
        return getattr(wanted, fact) or tuple(values[i] for i in order if values)

    kinds = ("synonyms", "descriptions", "novel", "frequency")
    facts: dict[str, Any] = {fact: pick(fact) for fact in kinds}
    return Vocabulary(wanted.names, **facts, ids=tuple(own.category_ids[i] for i in order))


def _places(own: Vocabulary, wanted: Vocabulary, path: Path) -> list[int]:
    """Return where the wanted classes stand in the file: by name, or by id in another spelling.

    Releases of one data set spell a few names differently (Objects365, LVIS). Ids speak for a name
    that is missing only where all the names that are there, nearly all, have the same ids.
    """
    place = {name: i for i, name in enumerate(own.names)}
    missing = [name for name in wanted.names if name not in place]
    if not missing:
        return [place[name] for name in wanted.names]
    by_id = {number: i for i, number in enumerate(own.category_ids)}
    rows = [by_id[i] for i in wanted.ids if i in by_id]
    common = [pair for pair in zip(wanted.names, wanted.ids, strict=False) if pair[0] in place]
    same = all(own.category_ids[place[name]] == number for name, number in common)
    if same and len(rows) == len(wanted) and len(common) >= _ALIKE * len(wanted):
        return rows
    shown = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
    raise InputError(f"{path}: has no category for {len(missing)} of the names: {shown}")


def _good_images(
    entries: list[Any], image_dir: Path, categories: set[int], problems: list[str]
) -> dict[int, dict[str, Any]]:
    images: dict[int, dict[str, Any]] = {}
    for i, entry in enumerate(entries):
        problem = image_problem(entry, image_dir) or _list_problem(entry, categories)
        if problem is None and entry["id"] in images:
            problem = "its id stands twice"
        if problem is None:
            images[entry["id"]] = {key: entry[key] for key in _OF_IMAGES if key in entry}
        else:
            problems.append(f"image {_name(entry, i)}: {problem}")
    return images


def image_problem(entry: Any, image_dir: Path) -> str | None:
    """Return what is wrong with an image entry of a COCO file, or None."""
    if not isinstance(entry, dict):
        return f"must be an object, got {type(entry).__name__}"
    if not is_whole(entry.get("id")):
        return f"id must be a whole number, got {brief(entry.get('id'))}"
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        return f"file_name must be text, got {brief(name)}"
    for side in ("height", "width"):
        if not is_whole(entry.get(side)) or not 0 < entry[side] < _LARGEST:
            return f"{side} must be a whole number above 0, got {brief(entry.get(side))}"
    try:
        found = (image_dir / name).is_file()
    except OSError:  # a name too long for the file system
        found = False
    return None if found else f"file {brief(name)} is missing from {image_dir}"


def _list_problem(entry: dict[str, Any], categories: set[int]) -> str | None:
    for key in _LISTS.values():
        listed = entry.get(key, [])
        if not isinstance(listed, list) or not all(is_whole(i) and i in categories for i in listed):
            return f"{key} must be a list of known category ids, got {brief(listed)}"
    both = set(entry.get("pos_category_ids", [])) & set(entry.get("neg_category_ids", []))
    return f"category {min(both)} is both positive and negative" if both else None


def _good_annotations(
    entries: Iterable[Any],
    images: dict[int, dict[str, Any]],
    categories: set[int],
    problems: list[str],
) -> Iterator[dict[str, Any]]:
    """Yield what can be used; what is wrong with the others is added to ``problems``."""
    seen: set[int] = set()
    for i, entry in enumerate(entries):
        problem = next(_annotation_problems(entry, images, categories), None)
        if problem is None and entry["id"] in seen:
            problem = "its id stands twice"
        if problem is None:
            seen.add(entry["id"])
            yield entry
        else:
            problems.append(f"annotation {_name(entry, i)}: {problem}")


def _annotation_problems(
    entry: Any, images: dict[int, dict[str, Any]], categories: set[int]
) -> Iterator[str]:
    """Yield what is wrong with an annotation; later checks rely on the earlier ones."""
    if not isinstance(entry, dict):
        yield f"must be an object, got {type(entry).__name__}"
        return
    for key in ("id", "image_id", "category_id"):
        if not is_whole(entry.get(key)):
            yield f"{key} must be a whole number, got {brief(entry.get(key))}"
    if entry["image_id"] not in images:
        yield f"image_id {entry['image_id']} is unknown or a bad image"
    if entry["category_id"] not in categories:
        yield f"category_id {entry['category_id']} is unknown"
    image = images[entry["image_id"]]
    yield from _box_problems(entry.get("bbox"), image)
    yield from _region_problems(entry, image)


def _region_problems(entry: dict[str, Any], image: dict[str, Any]) -> Iterator[str]:
    crowd, area = entry.get("iscrowd", 0), entry.get("area", 0)
    if crowd not in (0, 1):
        yield f"iscrowd must be 0 or 1, got {brief(crowd)}"
    if not _number(area) or area < 0:
        yield f"area must be a number >= 0, got {brief(area)}"
    if entry.get("segmentation"):
        try:
            check_segmentation(entry["segmentation"], image["height"], image["width"])
        except ValueError as error:
            yield str(error)


def _box_problems(box: Any, image: dict[str, Any]) -> Iterator[str]:
    if not isinstance(box, list) or len(box) != 4 or not all(_number(side) for side in box):
        yield f"bbox must be four finite numbers x, y, width, height, got {brief(box)}"
        return
    x, y, width, height = box
    if width <= 0 or height <= 0:
        yield f"bbox must have width and height above 0, got {brief(box)}"
    inside = min(x, y) >= -_SLACK and (
        x + width <= image["width"] + _SLACK and y + height <= image["height"] + _SLACK
    )
    within = min(x + width, image["width"]) > max(x, 0) and (
        min(y + height, image["height"]) > max(y, 0)
    )
    if not (inside and within):
        size = f"{image['width']} x {image['height']}"
        yield f"bbox must lie inside its image of {size} px, got {brief(box)}"


def _pack(
    images: dict[int, dict[str, Any]], columns: Columns, label: Mapping[int, int], skipped: int
) -> Annotations:
    sizes = np.array([[i["height"], i["width"]] for i in images.values()], np.int64)
    packed = columns.pack(sizes)
    lists: dict[str, NDArray[Any]] = {
        name: _pairs(images, key, label) for name, key in _LISTS.items()
    }
    return Annotations(
        image_ids=np.array(list(images), np.int64),
        file_names=np.array([image["file_name"] for image in images.values()]),
        sizes=sizes,
        **packed,
        **lists,
        federated=any(_LISTS["negative"] in image for image in images.values()),
        skipped=skipped,
    )


def _pairs(
    images: dict[int, dict[str, Any]], key: str, label: Mapping[int, int]
) -> NDArray[np.int64]:
    """Return [K, 2], image number and label, of what the images list under a key."""
    pairs = [
        (i, label[category])
        for i, image in enumerate(images.values())
        for category in image.get(key, [])
        if category in label
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number that 64 bits hold; true and false are none."""
    return type(value) is int and abs(value) < 2**63


def _number(value: Any) -> bool:
    """Tell whether a value is a finite number that leaves room for sums."""
    return type(value) in (int, float) and abs(value) < 1e15 and math.isfinite(value)


def _name(entry: Any, place: int) -> str:
    """Return the entry's id, or its place in the list where it has none."""
    if isinstance(entry, dict) and is_whole(entry.get("id")):
        return str(entry["id"])
    return f"number {place} of the list"


def brief(value: Any) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

"""A YOLO data set (``data.yaml``, one label file an image) as COCO JSON.

The layout is the one of ultralytics: a row is a class and a box, ``centre x, centre y, width,
height``, or a polygon, all as parts of the image's sides.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from ovdet.data.convert.output import Output
from ovdet.structures import InputError

_IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_SPLITS = ("train", "val", "test")
_SLACK = 1e-3  # as rounding to a few digits needs


def convert_yolo(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``train.json``, ``val.json`` and ``test.json``, those that ``data.yaml`` names.

    File names are below the folder that ``path`` of ``data.yaml`` names, or ``source``. Class ids
    count from 1.

    Args:
        source: The folder of ``data.yaml``.
        output: Where to.
        partial: Accept images without a label file. Else they are refused, unless there are label
            files beside them: an image of nothing has none.

    Raises:
        InputError: If ``data.yaml`` or a label file is missing or damaged; file and row are named.
    """
    settings = _read_settings(source / "data.yaml")
    named = settings.get("path")
    root = source / named if isinstance(named, str) and (source / named).is_dir() else source
    names = _read_names(settings.get("names"), source)
    splits = [split for split in _SPLITS if settings.get(split)]
    if not splits:
        raise InputError(f"{source}/data.yaml: must name 'train', 'val' or 'test'")
    for split in splits:
        files = list(_list_images(root, settings[split]))
        record, labelled = _read_split(root, files, names, split)
        if not labelled and not partial:
            raise InputError(
                f"{root}: no image of '{split}' has a label file; --partial takes them as empty"
            )
        counts = {"images": len(files), "labelled": labelled}
        counts |= {"boxes": len(record["annotations"]), "classes": len(names)}
        output.json(f"{split}.json", record, counts)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: must be YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path}: must be a mapping with 'names' and 'train'")
    return settings


def _read_names(names: Any, source: Path) -> dict[int, str]:
    listed = dict(enumerate(names)) if isinstance(names, list) else names
    good = isinstance(listed, dict) and bool(listed)
    if not good or not all(type(k) is int and isinstance(v, str) for k, v in listed.items()):
        raise InputError(
            f"{source}/data.yaml: 'names' must be a list of class names, got {names!r}"
        )
    return dict(listed)


def _list_images(root: Path, places: Any) -> Iterator[Path]:
    """Yield the images of folders and of list files, in order."""
    for place in places if isinstance(places, list) else [places]:
        path = root / str(place)
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in _IMAGES)
        elif path.is_file():
            lines = path.read_text(encoding="utf-8").split()
            yield from (root / line for line in lines)
        else:
            raise InputError(f"{path}: data.yaml names it, but it is missing")


def _read_split(
    root: Path, files: Sequence[Path], names: dict[int, str], split: str
) -> tuple[dict[str, list[Any]], int]:
    """Return the COCO record of some images, and how many of them have a label file."""
    images: list[Any] = []
    annotations: list[Any] = []
    labelled = 0
    for number, path in enumerate(tqdm(files, desc=split, disable=None, leave=False), start=1):
        width, height = _size(path)
        if not path.is_relative_to(root):
            raise InputError(f"{path}: must lie below {root}")
        name = path.relative_to(root).as_posix()
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        labels = _label_file(path)
        if not labels.is_file():
            continue
        labelled += 1
        for row, line in enumerate(labels.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                entry = _parse(line, (width, height), names, f"{labels}, row {row}")
                facts = {"id": len(annotations) + 1, "image_id": number, "iscrowd": 0}
                annotations.append(facts | entry)
    categories = [{"id": i + 1, "name": name} for i, name in sorted(names.items())]
    return {"images": images, "annotations": annotations, "categories": categories}, labelled


def _label_file(image: Path) -> Path:
    """Return where an image's labels lie: the last folder ``images`` of its path as ``labels``."""
    parts = list(image.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an image: {error}") from error


def _parse(line: str, size: tuple[int, int], names: dict[int, str], place: str) -> dict[str, Any]:
    """Return class, box and polygon of a row, in px."""
    words = line.split()
    try:
        kind, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError as error:
        raise InputError(f"{place}: must be numbers, got {line!r}") from error
    if kind not in names:
        raise InputError(f"{place}: class {kind} is none of the {len(names)} of data.yaml")
    if not all(-_SLACK <= value <= 1 + _SLACK for value in values):
        raise InputError(f"{place}: values must be parts of the image's sides, got {line!r}")
    if len(values) == 4:
        x, y, w, h = values
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        polygon: list[float] = []
    elif len(values) >= 6 and len(values) % 2 == 0:
        polygon = [min(max(v, 0.0), 1.0) * size[i % 2] for i, v in enumerate(values)]
        corners = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    else:
        raise InputError(f"{place}: must be a class and 4 numbers or a polygon, got {line!r}")
    return {"category_id": kind + 1} | _box(corners, polygon, size, place)


def _box(
    corners: Sequence[float], polygon: list[float], size: tuple[int, int], place: str
) -> dict[str, Any]:
    x1, y1, x2, y2 = (min(max(v, 0.0), 1.0) * size[i % 2] for i, v in enumerate(corners))
    if x2 <= x1 or y2 <= y1:
        raise InputError(f"{place}: a box must have width and height above 0")
    box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    return box | ({"segmentation": [polygon]} if polygon else {})

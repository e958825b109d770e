"""PASCAL VOC: ``Annotations/*.xml``, ``JPEGImages/`` with links, ``ImageSets/Main/train.txt``.

Corners are whole pixels that count from 1, both included. Scores have no place in it.
"""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ovdet.apis.table import printable
from ovdet.labelling.formats.folders import Stems, fresh_folder, place_picture, rows_of
from ovdet.labelling.parts import Labelled, Parts
from ovdet.labelling.plan import VOC

_LIST = "ImageSets/Main"


def write_voc(parts: Parts) -> Path:
    """Write the folder ``voc``; return its path.

    Raises:
        OSError: If it cannot be written.
    """
    plan, stems = parts.plan, Stems()
    vocabulary = plan.task.question.vocabulary
    names = {category: vocabulary.names[row] for category, row in rows_of(vocabulary).items()}
    with (
        fresh_folder(plan.out / VOC, "Annotations", "JPEGImages", _LIST) as folder,
        (folder / _LIST / "train.txt").open("wb") as listed,
    ):
        for picture in parts:
            stem, source = stems.give(picture.name), plan.task.path(picture.index)
            file_name = f"{stem}{source.suffix}"
            place_picture(source, folder / "JPEGImages" / file_name)
            text = ElementTree.tostring(_tree(picture, file_name, names), encoding="utf-8")
            (folder / "Annotations" / f"{stem}.xml").write_bytes(text + b"\n")
            listed.write(f"{stem}\n".encode("utf-8", "surrogateescape"))
    return plan.out / VOC


def _tree(picture: Labelled, file_name: str, names: dict[int, str]) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    _add(root, "folder", "JPEGImages")
    _add(root, "filename", printable(file_name))
    size = ElementTree.SubElement(root, "size")
    height, width = picture.size
    for side, length in (("width", width), ("height", height), ("depth", 3)):
        _add(size, side, str(length))
    _add(root, "segmented", "0")
    for found in picture.objects:
        item = ElementTree.SubElement(root, "object")
        _add(item, "name", printable(names[found["category_id"]]))
        for name, value in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            _add(item, name, value)
        box = ElementTree.SubElement(item, "bndbox")
        corners = zip(("xmin", "ymin", "xmax", "ymax"), _corners(picture, found), strict=True)
        for corner, place in corners:
            _add(box, corner, str(place))
    ElementTree.indent(root, " ")
    return root


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text


def _corners(picture: Labelled, found: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the first and the last pixel that a box covers, from 1 on, at least one pixel."""
    height, width = picture.size
    x, y, w, h = found["bbox"]
    left, top = min(max(round(x), 0), width - 1), min(max(round(y), 0), height - 1)
    right, bottom = min(max(round(x + w), left + 1), width), min(max(round(y + h), top + 1), height)
    return left + 1, top + 1, right, bottom

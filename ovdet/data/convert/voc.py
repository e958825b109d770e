"""PASCAL VOC 2007 and 2012: boxes as COCO JSON, and label maps with and without background.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tqdm import tqdm

from ovdet.data.convert.instances import check_counts
from ovdet.data.convert.maps import IGNORED, Relabel, check_number, read_list, write_maps
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError, Vocabulary

BOXES: dict[str, dict[str, dict[str, int]]] = {
    "VOC2007": {
        "trainval": {"images": 5_011, "boxes": 12_608},
        "test": {"images": 4_952, "boxes": 12_032},
    },
    "VOC2012": {
        "train": {"images": 5_717, "boxes": 13_609},
        "val": {"images": 5_823, "boxes": 13_841},
    },
}
"""Images of each list of ``ImageSets/Main`` and their boxes that are not difficult."""

MAPS = {
    "train": ("SegmentationClass", 1_464),
    "val": ("SegmentationClass", 1_449),
    "trainaug": ("SegmentationClassAug", 10_582),
}
"""Folder and number of the label maps of VOC2012; the last is with those of SBD."""


def convert_voc(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write what is there of boxes and label maps.

    - ``voc2007_trainval.json`` and the like: COCO JSON, file names below ``source``. Difficult
      objects are crowds: neither learnt from nor missed, as VOC's own rule has it.
    - ``labels_20``: background is ignored too; ``labels_21``: it is class 0. Each with ``train``,
      ``val`` and, where SBD's maps lie in ``SegmentationClassAug``, ``trainaug``.
    - ``vocabulary_20.json``, ``vocabulary_21.json``, and ``vocabulary_zs.json``: 15 seen and 5
      unseen classes, for ``labels_20``.

    Args:
        source: The folder ``VOCdevkit`` with ``VOC2007``, ``VOC2012`` or both.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If an annotation is missing, damaged, or not what was published.
    """
    years = [year for year in BOXES if (source / year).is_dir()]
    if not years:
        raise InputError(f"{source}: must hold the folder VOC2007 or VOC2012")
    classes = vocabulary("voc-20")
    for year in years:
        for split, counts in BOXES[year].items():
            _write_boxes(source, year, split, classes, output, counts, partial=partial)
    if (source / "VOC2012" / "SegmentationClass").is_dir():
        _write_labels(source / "VOC2012", output, partial=partial)
    output.vocabulary("vocabulary_20.json", classes)
    output.vocabulary("vocabulary_21.json", vocabulary("voc-21"))
    output.vocabulary("vocabulary_zs.json", vocabulary("voc-zs"))


def _write_boxes(
    source: Path,
    year: str,
    split: str,
    classes: Vocabulary,
    output: Output,
    counts: Mapping[str, int],
    *,
    partial: bool,
) -> None:
    listed = source / year / "ImageSets" / "Main" / f"{split}.txt"
    if partial and not listed.exists():
        return
    ids = dict(zip(classes.names, classes.category_ids, strict=True))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names = tqdm(read_list(listed), desc=f"{year} {split}", disable=None, leave=False)
    for number, line in enumerate(names, start=1):
        name = line.split()[0]  # lists of one class have a second column
        root = read_xml(source / year / "Annotations" / f"{name}.xml")
        image = image_of(root, number, f"{year}/JPEGImages/{name}.jpg")
        images.append(image)
        for item in root.iter("object"):
            kind, place = item.findtext("name", ""), f"{year}/Annotations/{name}.xml"
            if kind not in ids:
                raise InputError(f"{source}/{place}: object {kind!r} is no class of VOC")
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": ids[kind],
                    "iscrowd": int(item.findtext("difficult", "0") == "1"),
                }
                | box_of(item, f"{source}/{place}")
            )
    found = {"images": len(images), "boxes": sum(not a["iscrowd"] for a in annotations)}
    check_counts(listed, found, counts, partial=partial)
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    record = {"images": images, "annotations": annotations, "categories": categories}
    found["difficult"] = len(annotations) - found["boxes"]
    output.json(f"{year.lower()}_{split}.json", record, found | {"classes": len(categories)})


def _write_labels(folder: Path, output: Output, *, partial: bool) -> None:
    relabels = {
        # background is ignored, k is class k - 1
        "labels_20": Relabel({value: value - 1 for value in range(1, 21)}, [0, IGNORED]),
        "labels_21": Relabel({value: value for value in range(21)}, [IGNORED]),
    }
    for split, (below, number) in MAPS.items():
        listed = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        if not (folder / below).is_dir() or (partial and not listed.exists()):
            continue
        pairs = [(f"{name}.png", folder / below / f"{name}.png") for name in read_list(listed)]
        check_number(listed, len(pairs), number, "names of label maps", partial=partial)
        for to, relabel in relabels.items():
            write_maps(pairs, relabel, output, f"{to}/{split}")


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of an annotation file.

    Raises:
        InputError: If it cannot be read or is not XML.
    """
    try:
        return ElementTree.parse(path).getroot()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: must be XML: {error}") from error


def image_of(root: ElementTree.Element, number: int, file_name: str) -> dict[str, Any]:
    """Return the COCO entry of an annotation file's image.

    Raises:
        InputError: If its size is not stated.
    """
    sides = {side: root.findtext(f"size/{side}", "") for side in ("height", "width")}
    if not all(value.strip().isdigit() for value in sides.values()):
        raise InputError(f"the annotation of {file_name}: must state the image's size, got {sides}")
    facts = {side: int(value) for side, value in sides.items()}
    return {"id": number, "file_name": file_name} | facts


def box_of(item: ElementTree.Element, place: str) -> dict[str, Any]:
    """Return ``bbox`` and ``area`` of an object whose corner pixels count from 1, both included.

    Raises:
        InputError: If a corner is missing or no number.
    """
    corners = [item.findtext(f"bndbox/{side}", "") for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = (round(float(value)) for value in corners)  # a few have fractions
    except (ValueError, OverflowError) as error:
        raise InputError(f"{place}: a box must have four corners, got {corners}") from error
    if x2 < x1 or y2 < y1:
        raise InputError(f"{place}: a box must have xmin <= xmax and ymin <= ymax, got {corners}")
    width, height = x2 - x1 + 1, y2 - y1 + 1
    return {"bbox": [x1 - 1, y1 - 1, width, height], "area": width * height}

"""COCO's captions as image labels: which of OV-COCO's classes the sentences of an image name.

Zhou et al., "Detecting Twenty-thousand Classes using Image-level Supervision", ECCV 2022, Sec. 5.
"""

import re
from pathlib import Path
from typing import Any

from ovdet.data.annotations import is_whole
from ovdet.data.convert.coco_captions import COUNTS, read_captions
from ovdet.data.convert.instances import check_counts
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError, Vocabulary, read_json


def convert_coco_tags(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``train.json``: COCO's training images with ``pos_category_ids``, for ``CocoDataset``.

    A class is named where one of its words stands in a caption as a whole word, in any case, also
    with an s behind it. Images whose captions name no class are left out.

    Args:
        source: COCO's folder, with ``annotations/captions_train2017.json``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If the file is missing, damaged or not what was published.
    """
    path = source / "annotations/captions_train2017.json"
    classes = vocabulary("coco-ov")
    entries, captions = read_captions(path)
    numbers = {"images": len(entries), "captions": captions}
    check_counts(path, numbers, COUNTS["train"], partial=partial)
    sizes = {image["id"]: image for image in read_json(path)["images"]}
    pattern = _pattern(classes)
    images = []
    for entry in entries:
        if named := _named(" . ".join(entry["captions"]), pattern, classes):
            size = _size(sizes[entry["id"]], path)
            own = {"id": entry["id"], "file_name": entry["file_name"]}
            images.append(own | size | {"pos_category_ids": named})
    facts = (classes.category_ids, classes.names, classes.novel_mask)
    categories = [{"id": i, "name": n, "novel": v} for i, n, v in zip(*facts, strict=True)]
    record = {"images": images, "annotations": [], "categories": categories}
    labels = sum(len(image["pos_category_ids"]) for image in images)
    output.json("train.json", record, {"images": len(images), "labels": labels})


def _pattern(classes: Vocabulary) -> re.Pattern[str]:
    """Return what matches a word of any class; longer ones first, so that they win."""
    words = sorted({w.lower() for group in classes.words() for w in group}, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, words))})s?\b")


def _named(text: str, pattern: re.Pattern[str], classes: Vocabulary) -> list[int]:
    """Return the ids of the classes that a text names, sorted."""
    found = {match.group(1) for match in pattern.finditer(text.lower())}
    pairs = zip(classes.category_ids, classes.words(), strict=True)
    return sorted(i for i, words in pairs if found & {word.lower() for word in words})


def _size(image: dict[str, Any], path: Path) -> dict[str, int]:
    size = {side: image.get(side) for side in ("height", "width")}
    if not all(is_whole(value) for value in size.values()):
        raise InputError(f"{path}: image {image['id']} must have a whole height and width")
    return size  # type: ignore[return-value]

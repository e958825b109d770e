"""OV-LVIS: LVIS v1 with its 337 rare classes held out of training.

Gupta et al., "LVIS", CVPR 2019; the division after Gu et al., "Open-vocabulary Object Detection via
Vision and Language Knowledge Distillation", ICLR 2022, Sec. 4.1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ovdet.data.convert.instances import Original, Record, Target, split_instances
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary
from ovdet.data.streams import read_sections
from ovdet.structures import InputError, Vocabulary

COUNTS = {
    "train": {"images": 100_170, "annotations": 1_270_141, "categories": 1_203},
    "val": {"images": 19_809, "annotations": 244_707, "categories": 1_203},
}
"""What the two published files hold."""

NORARE = "published: 1,264,884 boxes"
"""The instance counts of frequent and common classes in the published file, added up."""

MINIVAL = "others count 4,809 images"  # unverified


def convert_lvis_ov(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write the files of OV-LVIS.

    Images get a ``file_name`` below COCO's folder, which LVIS leaves to its ``coco_url``: a part of
    its validation images lies in COCO's ``train2017``.

    - ``train_norare.json``: every training image and all 1,203 categories, the boxes of the 866
      frequent and common ones (Detic, wusize/ovdet).
    - ``val.json``: as published, with the novel classes marked.
    - ``minival.json``: of it, the images of COCO's ``val2017``; models trained on COCO's training
      images are measured on these (Kamath et al., "MDETR", ICCV 2021).
    - ``vocabulary.json``: 1,203 classes with synonyms, definitions and frequency; and
      ``vocabulary_base.json``: the 866, for a head that has no row for rare ones (ViLD, DetPro).

    Args:
        source: LVIS's folder, with ``lvis_v1_train.json`` and ``lvis_v1_val.json``, as they are or
            below ``annotations``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If a file is missing, damaged or not what was published.
    """
    classes = vocabulary("lvis-v1")
    entries = _entries(classes)
    base = frozenset(entry["id"] for entry in entries if not entry["novel"])
    every = frozenset(entry["id"] for entry in entries)
    folder = "annotations/" if (source / "annotations").is_dir() else ""
    few = _find_minival(source / f"{folder}lvis_v1_val.json")
    targets = {
        "train": [Target("train_norare.json", entries, base, notes=NORARE)],
        "val": [
            Target("val.json", entries, every),
            Target("minival.json", entries, every, images=few, notes=MINIVAL),
        ],
    }
    facts = {entry["id"]: {"frequency": entry["frequency"]} for entry in entries}
    found = [
        split_instances(
            source,
            Original(f"{folder}lvis_v1_{split}.json", COUNTS[split], facts, _named),
            wanted,
            output,
            partial=partial,
        )
        for split, wanted in targets.items()
    ]
    if not any(found):
        raise InputError(f"{source}: holds no lvis_v1_train.json or lvis_v1_val.json")
    output.vocabulary("vocabulary.json", classes)
    output.vocabulary("vocabulary_base.json", _base_of(classes))


def _find_minival(path: Path) -> frozenset[int]:
    """Return the ids of the images of ``val2017``; bad entries are told when all is read."""
    if not path.is_file():
        return frozenset()
    return frozenset(
        image["id"]
        for section in read_sections(path)
        if section.key == "images"
        for image, _ in section.entries
        if isinstance(image, dict)
        and isinstance(image.get("id"), int)
        and "/val2017/" in str(image.get("coco_url"))
    )


def _entries(classes: Vocabulary) -> list[Record]:
    """Return the categories; rare ones are novel."""
    facts = (classes.category_ids, classes.names, classes.frequency, classes.novel_mask)
    columns = zip(*facts, strict=True)
    entries: list[Record] = [
        {"id": number, "name": name, "frequency": frequency, "novel": novel}
        for number, name, frequency, novel in columns
    ]
    for fact, key in (("synonyms", "synonyms"), ("descriptions", "def")):
        for entry, value in zip(entries, getattr(classes, fact), strict=False):
            entry[key] = value
    return entries


def _base_of(classes: Vocabulary) -> Vocabulary:
    """Return the classes that are not novel, none of them marked."""
    rows = [i for i, novel in enumerate(classes.novel_mask) if not novel]

    def pick(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[i] for i in rows if values)

    kinds = ("synonyms", "descriptions", "frequency")
    facts: dict[str, Any] = {kind: pick(getattr(classes, kind)) for kind in kinds}
    return Vocabulary(pick(classes.names), **facts, ids=pick(classes.category_ids))


def _named(image: Record) -> Record:
    """Return the image with the place of its file below COCO's folder."""
    parts = str(image.get("coco_url", "")).split("/")[-2:]
    if len(parts) != 2 or not all(parts):
        raise InputError(f"coco_url must end with a folder and a file, got {parts}")
    return image | {"file_name": "/".join(parts)}

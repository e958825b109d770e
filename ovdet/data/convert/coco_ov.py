"""OV-COCO: 48 base and 17 novel classes of COCO 2017, in both published habits.

Classes after Bansal et al., "Zero-Shot Object Detection", ECCV 2018, as Zareian et al.,
"Open-Vocabulary Object Detection Using Captions", CVPR 2021, used them.
"""

from pathlib import Path

from ovdet.data.convert.instances import Original, Record, Target, split_instances
from ovdet.data.convert.output import Output
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError, Vocabulary

COUNTS = {
    "train": {"images": 118_287, "annotations": 860_001, "categories": 80},
    "val": {"images": 5_000, "annotations": 36_781, "categories": 80},
}
"""What the two published files hold."""

NOTES = {
    "train_base": "published: 107,761 with boxes",  # of base classes; Zareian et al., Sec. 4.1
    "val_65": "published: 4,836 images",  # the same; alirezazareian/ovr-cnn, issue 17
    "val_novel": "published: 2,064 with boxes",  # alirezazareian/ovr-cnn, issue 17
}
"""What others counted in their files of the same rule."""


def convert_coco_ov(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write the files of OV-COCO.

    - ``train_base.json``: every training image, the boxes of base classes, all 80 categories.
    - ``val_65.json``: the classifier's 65 classes and the images that show one of them; both
      sides in one evaluation (Detic, RKD, OADP, F-ViT).
    - ``val_base.json``, ``val_novel.json``: all images and 80 categories, the boxes of one side; an
      80-way head is evaluated against each (wusize/ovdet).
    - ``vocabulary.json``: the 65 classes. A data set that is given it, or ``@coco-ov``, has a
      65-way head; without it the 15 unused classes compete too, as the other habit has it.

    Args:
        source: COCO's folder, with ``annotations/instances_train2017.json`` and ``..._val2017``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If a file is missing, damaged or not what was published.
    """
    every, used = vocabulary("coco"), vocabulary("coco-ov")
    entries = _entries(every, used)
    novel = frozenset(entry["id"] for entry in entries if entry["novel"])
    base = frozenset(used.category_ids) - novel
    both = [entry for entry in entries if entry["id"] in base | novel]
    targets = {
        "train": [Target("train_base.json", entries, base, notes=NOTES["train_base"])],
        "val": [
            Target("val_65.json", both, base | novel, empty=False, notes=NOTES["val_65"]),
            Target("val_base.json", entries, base),
            Target("val_novel.json", entries, novel, notes=NOTES["val_novel"]),
        ],
    }
    names = {entry["id"]: {"name": entry["name"]} for entry in entries}
    found = [
        split_instances(
            source,
            Original(f"annotations/instances_{split}2017.json", COUNTS[split], names),
            targets[split],
            output,
            partial=partial,
        )
        for split in targets
    ]
    if not any(found):
        raise InputError(
            f"{source}: holds no annotations/instances_train2017.json or _val2017.json"
        )
    output.vocabulary("vocabulary.json", used)


def _entries(every: Vocabulary, used: Vocabulary) -> list[Record]:
    """Return COCO's 80 categories; the 15 unused ones are not novel either."""
    novel = dict(zip(used.category_ids, used.novel_mask, strict=True))
    return [
        {"id": number, "name": name, "novel": novel.get(number, False)}
        for number, name in zip(every.category_ids, every.names, strict=True)
    ]

"""COCO's captions: five sentences and more for every image.

Chen et al., "Microsoft COCO Captions", 2015, https://arxiv.org/abs/1504.00325.
"""

from pathlib import Path
from typing import Any

from ovdet.data.annotations import is_whole
from ovdet.data.convert.instances import check_counts
from ovdet.data.convert.output import Output
from ovdet.structures import InputError, read_json

COUNTS = {
    "train": {"images": 118_287, "captions": 591_753},
    "val": {"images": 5_000, "captions": 25_014},
}
"""What the two published files hold."""


def convert_coco_captions(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``train.json`` and ``val.json``, for ``CaptionFileDataset``.

    File names are COCO's; the images of a file lie in ``train2017`` or ``val2017``.

    Args:
        source: COCO's folder, with ``annotations/captions_train2017.json`` and ``..._val2017``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If a file is missing, damaged or not what was published.
    """
    found = False
    for split, counts in COUNTS.items():
        path = source / "annotations" / f"captions_{split}2017.json"
        if partial and not path.exists():
            continue
        entries, captions = read_captions(path)
        numbers = {"images": len(entries), "captions": captions}
        check_counts(path, numbers, counts, partial=partial)
        kept = [entry for entry in entries if entry["captions"]]
        output.json(f"{split}.json", kept, numbers)
        found = True
    if not found:
        raise InputError(f"{source}: holds no annotations/captions_train2017.json or _val2017.json")


def read_captions(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return an entry an image, and how many captions the file has, blank ones included.

    Raises:
        InputError: If the file is not one of COCO's captions.
    """
    record = read_json(path)
    for key in ("images", "annotations"):
        if not isinstance(record, dict) or not isinstance(record.get(key), list):
            raise InputError(f"{path}: must be a COCO object with a list '{key}'")
    entries: dict[int, dict[str, Any]] = {}
    for place, image in enumerate(record["images"]):
        facts = image if isinstance(image, dict) else {}
        number, name = facts.get("id"), facts.get("file_name")
        if not is_whole(number) or not isinstance(name, str):
            raise InputError(f"{path}: images[{place}] must have a whole id and a file_name")
        entries[facts["id"]] = {"id": number, "file_name": name, "captions": []}
    for place, item in enumerate(record["annotations"]):
        facts = item if isinstance(item, dict) else {}
        number, caption = facts.get("image_id"), facts.get("caption")
        if not is_whole(number) or number not in entries or not isinstance(caption, str):
            raise InputError(f"{path}: annotations[{place}] must caption one of the images")
        if words := caption.split():  # some end with a line break
            entries[facts["image_id"]]["captions"].append(" ".join(words))
    return list(entries.values()), len(record["annotations"])

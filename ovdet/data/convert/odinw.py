"""ODinW: many small detection sets of other domains, as GLIP's authors give them away.

Li et al., "Grounded Language-Image Pre-training", CVPR 2022, https://arxiv.org/abs/2112.03857, for
13 sets; Li et al., "ELEVATER", 2022, https://arxiv.org/abs/2204.08790, for 35. What there is of
folders and classes stands in ``odinw.json`` beside this file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovdet.data.convert.output import Output
from ovdet.structures import InputError, read_json

_SPLITS = ("train", "valid", "test")
_FILE = "annotations_without_background.json"
_OF_JOINED = {"train": "train_", "valid": "val_", "test": "test_"}


@dataclass(frozen=True)
class Set:
    """One of the sets.

    Attributes:
        name: In the list it is averaged in.
        folder: Below the source.
        classes: What its files call the classes, in any order; empty where it was never read.
        renamed: What the list calls the ids 1, 2, ... instead; empty where it keeps the names.
        joined: All parts lie in one folder, and the files' names tell them apart.
    """

    name: str
    folder: str
    classes: tuple[str, ...]
    renamed: tuple[str, ...]
    joined: bool

    def place(self, split: str) -> tuple[str, str]:
        """Return annotation file and image folder of a part, below the source."""
        if self.joined:
            return f"{self.folder}/{_OF_JOINED[split]}{_FILE}", self.folder
        return f"{self.folder}/{split}/{_FILE}", f"{self.folder}/{split}"


def read_sets(count: int) -> tuple[Set, ...]:
    """Return the 13 sets, or the 35 with the names that they have there."""
    entries = read_json(Path(__file__).with_suffix(".json"))["sets"]
    few = count == 13
    return tuple(
        Set(
            name=entry["of_13"] if few else entry["name"],
            folder=entry["folder"],
            classes=tuple(entry.get("classes", ())),
            renamed=() if few else tuple(entry.get("renamed", ())),
            joined=entry.get("joined", False),
        )
        for entry in entries
        if "of_13" in entry or not few
    )


def convert_odinw(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``<set>_<split>.json`` of the 13 sets, file names below ``source``.

    Both GLIP and MMDetection measure on ``valid``. Classes have the files' own names.

    Args:
        source: The folder of the sets' folders.
        output: Where to.
        partial: Accept some of the sets.

    Raises:
        InputError: If a set is missing or damaged, or has other classes.
    """
    _convert(source, output, read_sets(13), partial=partial)


def convert_odinw35(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write the 35 sets as :func:`convert_odinw` does the 13.

    Three of them get the class names that the published tables were made with ("rabbit", not
    "Cottontail-Rabbit"): the same set may so have another figure in the list of 13.
    """
    _convert(source, output, read_sets(35), partial=partial)


def _convert(source: Path, output: Output, sets: tuple[Set, ...], *, partial: bool) -> None:
    missing = [one.name for one in sets if not (source / one.place("valid")[0]).is_file()]
    if len(missing) == len(sets) or (missing and not partial):
        raise InputError(
            f"{source}: must hold the {len(sets)} sets of ODinW, lacks {', '.join(missing)}"
            + ("; --partial converts the others" if len(missing) < len(sets) else "")
        )
    for one in sets:
        for split in _SPLITS:
            path = source / one.place(split)[0]
            if one.name not in missing and path.is_file():
                _write(path, one, split, output)


def _write(path: Path, one: Set, split: str, output: Output) -> None:
    record = read_json(path)
    for key in ("images", "annotations", "categories"):
        entries = record.get(key) if isinstance(record, dict) else None
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise InputError(f"{path}: must be a COCO object with a list '{key}'")
    folder = one.place(split)[1]
    written = {
        "images": [_moved(image, folder, path) for image in record["images"]],
        "annotations": record["annotations"],
        "categories": _categories(record["categories"], one, path),
    }
    kinds = {"images": "images", "boxes": "annotations", "classes": "categories"}
    counts = {kind: len(written[key]) for kind, key in kinds.items()}
    output.json(f"{one.name}_{split}.json", written, counts)


def _categories(entries: list[dict[str, Any]], one: Set, path: Path) -> list[dict[str, Any]]:
    names = [entry.get("name") for entry in entries]
    if one.classes and set(map(str, names)) != set(one.classes):
        raise InputError(f"{path}: must have the classes {', '.join(one.classes)}, got {names}")
    if not one.renamed:
        return entries
    ids = [entry.get("id") for entry in entries]
    if set(ids) != set(range(1, len(one.renamed) + 1)):
        raise InputError(f"{path}: must have the category ids 1 to {len(one.renamed)}, got {ids}")
    return [entry | {"name": one.renamed[entry["id"] - 1]} for entry in entries]


def _moved(image: dict[str, Any], folder: str, path: Path) -> dict[str, Any]:
    """Return an image's entry with its file named below the source."""
    if not isinstance(image.get("file_name"), str):
        raise InputError(f"{path}: an image must have a file_name, got {image}")
    return image | {"file_name": f"{folder}/{image['file_name']}"}

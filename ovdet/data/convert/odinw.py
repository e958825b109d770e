"""ODinW: many small detection sets of other domains, as GLIP's authors give them away.

Li et al., "Grounded Language-Image Pre-training", CVPR 2022, https://arxiv.org/abs/2112.03857;
folders and classes as in open-mmlab/mmdetection, configs/odinw.
"""

from pathlib import Path
from typing import Any

from ovdet.data.convert.output import Output
from ovdet.structures import InputError, read_json

SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "AerialMaritimeDrone": (
        "AerialMaritimeDrone/large",
        ("boat", "car", "dock", "jetski", "lift"),
    ),
    "Aquarium": (
        "Aquarium/Aquarium Combined.v2-raw-1024.coco",
        ("fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray"),
    ),
    "CottontailRabbits": ("CottontailRabbits", ("Cottontail-Rabbit",)),
    "EgoHands": ("EgoHands/generic", ("hand",)),
    "NorthAmericaMushrooms": (
        "NorthAmericaMushrooms/North American Mushrooms.v1-416x416.coco",
        ("CoW", "chanterelle"),
    ),
    "Packages": ("Packages/Raw", ("package",)),
    "PascalVOC": (
        "PascalVOC",
        (
            "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
            "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
            "train", "tvmonitor",
        ),
    ),
    "pistols": ("pistols/export", ("pistol",)),
    "pothole": ("pothole", ("pothole",)),
    "Raccoon": ("Raccoon/Raccoon.v2-raw.coco", ("raccoon",)),
    "ShellfishOpenImages": ("ShellfishOpenImages/raw", ("Crab", "Lobster", "Shrimp")),
    "thermalDogsAndPeople": ("thermalDogsAndPeople", ("dog", "person")),
    "VehiclesOpenImages": (
        "VehiclesOpenImages/416x416",
        ("Ambulance", "Bus", "Car", "Motorcycle", "Truck"),
    ),
}  # fmt: skip
"""The 13 sets that are usually averaged: name to folder and classes."""

_SPLITS = ("train", "valid", "test")
_FILE = "annotations_without_background.json"


def convert_odinw(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``<set>_<split>.json`` of the 13 sets, file names below ``source``.

    Args:
        source: The folder of the sets' folders.
        output: Where to.
        partial: Accept some of the sets.

    Raises:
        InputError: If a set is missing or damaged, or has other classes.
    """
    found = {name for name, (folder, _) in SETS.items() if (source / folder / "valid").is_dir()}
    missing = [name for name in SETS if name not in found]
    if not found or (missing and not partial):
        shown = ", ".join(missing)
        raise InputError(
            f"{source}: must hold the 13 sets of ODinW, lacks {shown}"
            + ("; --partial converts the others" if found else "")
        )
    for name in SETS:
        if name in found:
            _write(source, name, output)


def _write(source: Path, name: str, output: Output) -> None:
    folder, classes = SETS[name]
    for split in _SPLITS:
        path = source / folder / split / _FILE
        if split != "valid" and not path.is_file():
            continue
        record = read_json(path)
        for key in ("images", "annotations", "categories"):
            entries = record.get(key) if isinstance(record, dict) else None
            if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
                raise InputError(f"{path}: must be a COCO object with a list '{key}'")
        names = [category.get("name") for category in record["categories"]]
        if set(map(str, names)) != set(classes):
            raise InputError(f"{path}: must have the classes {', '.join(classes)}, got {names}")
        images = [_moved(image, f"{folder}/{split}", path) for image in record["images"]]
        entries = record["annotations"]
        written = {
            "images": images,
            "annotations": entries,
            "categories": record["categories"],
        }
        counts = {"images": len(images), "boxes": len(entries), "classes": len(names)}
        output.json(f"{name}_{split}.json", written, counts)


def _moved(image: dict[str, Any], folder: str, path: Path) -> dict[str, Any]:
    """Return an image's entry with its file named below the source."""
    if not isinstance(image.get("file_name"), str):
        raise InputError(f"{path}: an image must have a file_name, got {image}")
    return image | {"file_name": f"{folder}/{image['file_name']}"}

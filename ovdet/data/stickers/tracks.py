"""Tracks: the worlds that ``tools/convert.py`` writes to disk.

A track is one function that fills a folder and one entry of ``TRACKS``.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ovdet.data.stickers.bias import write_bias
from ovdet.data.stickers.captions import CaptionStream
from ovdet.data.stickers.coco_json import CocoWriter, encode_json
from ovdet.data.stickers.labels import write_labels
from ovdet.data.stickers.longtail import write_lv
from ovdet.data.stickers.new import write_new
from ovdet.data.stickers.phrases import write_phrases
from ovdet.data.stickers.scenes import SceneSpec, render_scene
from ovdet.data.stickers.segmentation import write_seg
from ovdet.data.stickers.series import SPLITS, numbered
from ovdet.data.stickers.split import as_vocabulary, ov_categories
from ovdet.data.stickers.sprites import find_font
from ovdet.structures import InputError, atomic_write

OV_SPEC = SceneSpec()
"""The difficulty of ``stickers-ov``: small, turned, occluded objects among clutter.

Nothing is recoloured: tiny-clip named 17 % of recoloured stickers right and 94 % of the others, so
that a method could not be told from its teacher's blind spot. Colours are for the captions.
"""

_CAPTION_SIZE = 64  # px


@dataclass(frozen=True)
class Track:
    """One world that can be written.

    Attributes:
        write: Fills a folder, given seed and number of images of each split.
        images: Number of images of each split unless told otherwise.
    """

    write: Callable[[Path, int, Mapping[str, int]], None]
    images: Mapping[str, int]


def _write_ov(out: Path, seed: int, images: Mapping[str, int]) -> None:
    categories = ov_categories()
    names = [category.name for category in categories]
    files: dict[str, CocoWriter] = {}
    for split, count in images.items():
        files[split] = CocoWriter(categories)
        (out / split).mkdir()
        for file_name, rng in numbered("stickers-ov", split, seed, count):
            scene = render_scene(rng, OV_SPEC, names)
            Image.fromarray(scene.image).save(out / split / file_name)
            files[split].add(scene, file_name)
    base = frozenset(category.name for category in categories if not category.novel)
    folder = out / "annotations"
    atomic_write(folder / "train_base.json", files["train"].to_json(keep=base))
    atomic_write(folder / "train_all.json", files["train"].to_json())
    atomic_write(folder / "val.json", files["val"].to_json())
    as_vocabulary(categories).save(folder / "vocabulary.json")


def _write_caps(out: Path, seed: int, images: Mapping[str, int]) -> None:
    for split, count in images.items():
        stream = CaptionStream(_CAPTION_SIZE, seed=2 * seed + SPLITS[split])
        (out / split).mkdir()
        records = []
        for index, (file_name, _) in enumerate(numbered("stickers-caps", split, seed, count)):
            sample = stream[index]
            Image.fromarray(sample.image).save(out / split / file_name)
            objects = [
                {"box": list(thing.box), "colour": thing.colour, "name": thing.name}
                for thing in sample.objects
            ]
            records.append(
                {
                    "caption": sample.caption,
                    "file_name": file_name,
                    "objects": objects,
                    "rewrites": sample.rewrites,
                }
            )
        atomic_write(out / "annotations" / f"{split}.json", encode_json(records))


TRACKS: dict[str, Track] = {
    "stickers-ov": Track(_write_ov, {"train": 1200, "val": 400}),
    "stickers-labels": Track(write_labels, {"train": 2000, "val": 200}),
    "stickers-lv": Track(write_lv, {"train": 6000, "val": 1500}),
    "stickers-seg": Track(write_seg, {"train": 1500, "val": 400}),
    "stickers-caps": Track(_write_caps, {"train": 8000, "val": 1000}),
    "stickers-phrases": Track(write_phrases, {"train": 2000, "val": 500}),
    "stickers-bias": Track(write_bias, {"train": 192, "val": 192}),
    "stickers-new": Track(write_new, {"train": 10, "val": 100}),
}
"""Name to track."""


def write_track(
    name: str,
    out: str | Path,
    *,
    seed: int = 0,
    train: int | None = None,
    val: int | None = None,
    force: bool = False,
) -> dict[str, str]:
    """Render a track into a folder; the folder is there whole or not at all.

    Args:
        name: One of ``TRACKS``.
        out: The folder to make.
        seed: The same seed gives the same annotation bytes everywhere.
        train: Number of training images; the track's own by default.
        val: Number of validation images; the track's own by default.
        force: Replace a folder that is not empty.

    Returns:
        For each annotation file or folder, its path within ``out`` and its sha256.

    Raises:
        InputError: If the track is unknown, a number is too small, the folder is not empty or, with
            ``force``, no track, or the font is missing.
        OSError: If the folder cannot be written.
    """
    if name not in TRACKS:
        raise InputError(f"track must be one of {', '.join(TRACKS)}, got {name!r}")
    images = dict(TRACKS[name].images)
    for split, count in (("train", train), ("val", val)):
        images[split] = images[split] if count is None else count
        if images[split] < 1:
            raise InputError(f"{split} must be at least 1 image, got {images[split]}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    out = Path(out).resolve()
    _check_free(out, force=force)
    find_font()
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        TRACKS[name].write(partial, seed, images)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return hash_annotations(out)


def _check_free(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} must be a folder or not exist, it is a file")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(f"{out} is not empty: name another folder, or replace it with --force")
    # force is for an older track; a mistyped folder with somebody's work in it stays
    if force and out.is_dir() and any(out.iterdir()) and not (out / "annotations").is_dir():
        raise InputError(f"{out} holds no track (no folder annotations), so it is not replaced")


def hash_annotations(out: Path) -> dict[str, str]:
    """Return the sha256 of each annotation file or folder of a track, by its path within it.

    That of a folder of label pictures is of their names, shapes and pixels: the bytes of a PNG
    differ with the compressor.
    """
    sums = {}
    for path in sorted((out / "annotations").iterdir()):
        place = path.relative_to(out).as_posix()
        if path.is_dir():
            sums[place] = _hash_pictures(path)
        elif path.suffix == ".json":
            sums[place] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


def _hash_pictures(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
        total.update(f"{path.name} {pixels.shape}\n".encode())
        total.update(pixels.tobytes())
    return total.hexdigest()

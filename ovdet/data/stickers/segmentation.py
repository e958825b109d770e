"""``stickers-seg``: every pixel has a name, is nameless clutter, or is told to be unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from ovdet.data.stickers.chance import count_between, pick
from ovdet.data.stickers.coco_json import ORIGIN, encode_json
from ovdet.data.stickers.grounds import paint_ground
from ovdet.data.stickers.patches import clutter_patch
from ovdet.data.stickers.scenes import (
    Canvas,
    SceneSpec,
    add_object,
    random_corner,
    tight_box,
)
from ovdet.data.stickers.series import numbered
from ovdet.data.stickers.split import Category, as_vocabulary
from ovdet.structures import atomic_write

SEG_SPEC = SceneSpec(
    side=160,
    objects=(3, 7),
    sizes=(22, 76),
    clutter=(0, 3),
    clutter_sizes=(8, 36),
    recolour=0.1,
    rotation=25,
    brightness=(0.8, 1.2),
    contrast=(0.75, 1.2),
    occlusion=0.5,
    overhang=0.15,
    min_area=48,
    horizon=0.7,
    noise=0.02,
)
"""The difficulty of ``stickers-seg``."""

# The sides are those of stickers-ov, and each unseen thing has seen neighbours in meaning.
_THINGS = (
    "bear", "bird", "book", "bottle", "bus", "car", "cat", "chair", "cup", "horse", "sailboat",
    "train",
)  # fmt: skip
_STUFF = ("brick", "desert", "grass", "road", "sky", "snow", "water", "wood")
_UNSEEN = frozenset({"bus", "cat", "cup", "road", "snow"})

THINGS: tuple[Category, ...] = tuple(
    Category(number, name, name in _UNSEEN) for number, name in enumerate(_THINGS, start=1)
)
"""Twelve countable classes, 3 of them unseen."""

STUFF: tuple[Category, ...] = tuple(
    Category(number, name, name in _UNSEEN)
    for number, name in enumerate(_STUFF, start=len(_THINGS) + 1)
)
"""Eight classes of ground, 2 of them unseen; they follow the things."""

IGNORED = 255
"""The value of pixels that belong to no class: clutter, and in training what is unseen."""

_CLUTTER = ""  # pasted like an object, so that its pixels are known


@dataclass(frozen=True)
class Segment:
    """All pixels of one object, or of one kind of stuff.

    Attributes:
        category: Its class.
        number: Distinct within one class of a picture: 0 for stuff, 1 and up for things.
        mask: [H, W], bool; no two segments of a picture overlap.
    """

    category: Category
    number: int
    mask: NDArray[np.bool_]

    @property
    def id(self) -> int:
        """What the panoptic picture holds: the category in red, the number in green."""
        return self.category.id + 256 * self.number


@dataclass(frozen=True)
class Layout:
    """A picture and its division.

    Attributes:
        image: [H, W, 3], uint8, RGB.
        segments: What has a name; the rest is clutter.
    """

    image: NDArray[np.uint8]
    segments: tuple[Segment, ...]


def render_layout(rng: Generator) -> Layout:
    """Render one picture of ``stickers-seg``.

    Raises:
        InputError: If the font is missing.
    """
    spec = SEG_SPEC
    picture, kind, names = paint_ground(rng, spec.side, _STUFF, horizon=spec.horizon)
    canvas = Canvas(picture, spec.occlusion)
    objects, clutter = count_between(rng, *spec.objects), count_between(rng, *spec.clutter)
    for named in rng.permutation([True] * objects + [False] * clutter).tolist():
        if named:
            add_object(rng, canvas, pick(rng, _THINGS), spec)
        else:
            patch = clutter_patch(rng, rng.uniform(*spec.clutter_sizes))
            corner = random_corner(rng, patch, canvas.owner.shape, 0.5)
            canvas.paste(patch, corner, (_CLUTTER, None))
    scene = canvas.finish(rng, spec.noise, names)
    free = np.ones(kind.shape, np.bool_)
    segments: list[Segment] = []
    for thing in scene.objects:
        free &= ~thing.mask
        if thing.name != _CLUTTER:
            number = 1 + sum(segment.category.name == thing.name for segment in segments)
            segments.append(Segment(THINGS[_THINGS.index(thing.name)], number, thing.mask))
    for place, name in enumerate(names):
        mask = free & (kind == place)
        if mask.any():
            segments.append(Segment(STUFF[_STUFF.index(name)], 0, mask))
    return Layout(scene.image, tuple(segments))


def semantic_map(segments: Sequence[Segment], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return [H, W]: the class as its place in the vocabulary, from 0, or ``IGNORED``."""
    labels = np.full(shape, IGNORED, np.uint8)
    for segment in segments:
        labels[segment.mask] = segment.category.id - 1
    return labels


def panoptic_map(segments: Sequence[Segment], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return [H, W, 3]: the segment's id as R + 256 G + 65536 B; 0 belongs to none."""
    colours = np.zeros((*shape, 3), np.uint8)
    for segment in segments:
        colours[segment.mask, 0] = segment.category.id
        colours[segment.mask, 1] = segment.number
    return colours


class _Labels:
    """One way of annotating a split: index pictures, and COCO's panoptic pictures and JSON."""

    def __init__(self, folder: Path, name: str, *, unseen: bool) -> None:
        self.name = name
        self.unseen = unseen
        self.folder = folder
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        for kind in ("labels", "panoptic"):
            (folder / f"{kind}_{name}").mkdir(parents=True)

    def add(self, layout: Layout, file_name: str) -> None:
        """Write the two pictures of an image and note its segments."""
        kept = [item for item in layout.segments if self.unseen or not item.category.novel]
        height, width = layout.image.shape[:2]
        for kind, draw in (("labels", semantic_map), ("panoptic", panoptic_map)):
            picture = Image.fromarray(draw(kept, (height, width)))
            picture.save(self.folder / f"{kind}_{self.name}" / file_name)
        number = len(self._images) + 1
        self._images.append(
            {"file_name": file_name, "height": height, "id": number, "width": width}
        )
        self._annotations.append(
            {
                "file_name": file_name,
                "image_id": number,
                "segments_info": [_describe(segment) for segment in kept],
            }
        )

    def write_json(self) -> None:
        """Write the panoptic annotation file."""
        categories = [
            {"id": item.id, "isthing": int(item in THINGS), "name": item.name, "novel": item.novel}
            for item in THINGS + STUFF
        ]
        record = {
            "annotations": self._annotations,
            "categories": categories,
            "images": self._images,
            "info": ORIGIN,
        }
        atomic_write(self.folder / f"panoptic_{self.name}.json", encode_json(record))


def _describe(segment: Segment) -> dict[str, Any]:
    x1, y1, x2, y2 = tight_box(segment.mask)
    return {
        "area": int(segment.mask.sum()),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "category_id": segment.category.id,
        "id": segment.id,
        "iscrowd": 0,
    }


def write_seg(out: Path, seed: int, images: Mapping[str, int]) -> None:
    """Fill a folder with the track; see :class:`ovdet.data.stickers.tracks.Track`.

    Training images are annotated twice: ``train_seen`` leaves the pixels of unseen classes
    unknown, ``train_all`` is for the oracle.
    """
    folder = out / "annotations"
    for split, count in images.items():
        (out / split).mkdir()
        whole = _Labels(folder, "train_all" if split == "train" else split, unseen=True)
        ways = [whole]
        if split == "train":
            ways.append(_Labels(folder, "train_seen", unseen=False))
        for file_name, rng in numbered("stickers-seg", split, seed, count):
            layout = render_layout(rng)
            Image.fromarray(layout.image).save(out / split / file_name)
            for way in ways:
                way.add(layout, file_name)
        for way in ways:
            way.write_json()
    as_vocabulary(THINGS + STUFF).save(folder / "vocabulary.json")

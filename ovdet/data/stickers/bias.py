"""``stickers-bias``: two animals in two places, one of which is theirs too often.

Horses stand on grass and camels in the desert; the other two cells are thinned step by step, so
that in the end the place tells the animal. Every picture is captioned with and without its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.random import Generator
from PIL import Image

from ovdet.data.stickers.coco_json import encode_json
from ovdet.data.stickers.grounds import paint_ground
from ovdet.data.stickers.names import with_article
from ovdet.data.stickers.scenes import Canvas, Placed, Scene, SceneSpec, add_object
from ovdet.data.stickers.series import numbered
from ovdet.structures import InputError, atomic_write

BIAS_SPEC = SceneSpec(
    side=64,
    objects=(1, 1),
    sizes=(28, 52),
    clutter=(0, 0),
    clutter_sizes=(0, 0),
    recolour=0.0,
    rotation=25,
    brightness=(0.8, 1.2),
    contrast=(0.75, 1.2),
    occlusion=0.0,
    overhang=0.15,
    min_area=48,
    horizon=0.0,
    noise=0.02,
)
"""The difficulty of ``stickers-bias``."""

PLACES = {"grass": "on the grass", "desert": "in the desert"}
"""The two kinds of stuff, and how a caption says them."""

CELLS = (("horse", "grass"), ("camel", "desert"), ("horse", "desert"), ("camel", "grass"))
"""Each animal in each place, as often in the whole data: first the two usual cells."""

KEPT = (100, 75, 50, 25, 0)
"""Shares of the two unusual cells that a thinned training file keeps, in %."""

_USUAL = frozenset(CELLS[:2])


@dataclass(frozen=True)
class _Picture:
    """A written picture: its place among all, its place within its cell, and what it shows."""

    index: int
    number: int
    cell: tuple[str, str]
    objects: tuple[Placed, ...]

    @property
    def file_name(self) -> str:
        """Tells the cell, so that a result can be told by it."""
        return f"{'_'.join(self.cell)}_{self.number:03d}.png"


def render_cell(rng: Generator, cell: tuple[str, str]) -> Scene:
    """Render one animal in one place.

    Raises:
        InputError: If the font is missing.
    """
    animal, where = cell
    picture, _, names = paint_ground(rng, BIAS_SPEC.side, (where,), horizon=BIAS_SPEC.horizon)
    canvas = Canvas(picture, BIAS_SPEC.occlusion)
    add_object(rng, canvas, animal, BIAS_SPEC)
    return canvas.finish(rng, BIAS_SPEC.noise, names)


def write_bias(out: Path, seed: int, images: Mapping[str, int]) -> None:
    """Fill a folder with the track; see :class:`ovdet.data.stickers.tracks.Track`.

    Validation images are never thinned.

    Raises:
        InputError: If a number of images is no multiple of the four cells.
    """
    for split, count in images.items():
        if count % len(CELLS):
            raise InputError(f"{split} must be a multiple of {len(CELLS)} images, got {count}")
    for split, count in images.items():
        (out / split).mkdir()
        pictures = []
        for index, (_, rng) in enumerate(numbered("stickers-bias", split, seed, count)):
            number, place = divmod(index, len(CELLS))
            scene = render_cell(rng, CELLS[place])
            pictures.append(_Picture(index, number, CELLS[place], scene.objects))
            Image.fromarray(scene.image).save(out / split / pictures[-1].file_name)
        if split == "val":
            _write_files(out / "annotations", split, pictures)
            continue
        for kept in KEPT:
            _write_files(out / "annotations", f"{split}_{kept:03d}", _thin(pictures, kept))


def _thin(pictures: Sequence[_Picture], kept: int) -> list[_Picture]:
    """Keep a share of each unusual cell, in %; what stays for less stays for more."""
    each = len(pictures) // len(CELLS)
    most = round(each * kept / 100)
    return [one for one in pictures if one.cell in _USUAL or one.number < most]


def _write_files(folder: Path, name: str, pictures: Sequence[_Picture]) -> None:
    """Write the captions that name the animal alone, and those that name its place too."""
    for wording in ("plain", "placed"):
        records = [
            {
                "caption": caption(one.cell, placed=wording == "placed"),
                "file_name": one.file_name,
                "id": one.index + 1,
                "objects": [{"box": list(thing.box), "name": thing.name} for thing in one.objects],
                "place": one.cell[1],
            }
            for one in pictures
        ]
        atomic_write(folder / f"{name}_{wording}.json", encode_json(records))


def caption(cell: tuple[str, str], *, placed: bool) -> str:
    """Name the animal of a cell: "a camel", or with its place "a camel on the grass"."""
    animal, where = cell
    words = with_article(animal, animal)
    return f"{words} {PLACES[where]}" if placed else words

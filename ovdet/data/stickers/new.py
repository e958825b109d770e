"""``stickers-new``: a handful of pictures of two objects that nobody has seen, to learn from.

Only the two are annotated, as whoever labels a few pictures does; what stands around them are
objects of ``stickers-ov`` and clutter.
"""

from collections.abc import Mapping
from pathlib import Path

from numpy.random import Generator
from PIL import Image

from ovdet.data.stickers.backgrounds import paint_background
from ovdet.data.stickers.chance import count_between, pick
from ovdet.data.stickers.coco_json import CocoWriter
from ovdet.data.stickers.names import HELD_OUT
from ovdet.data.stickers.scenes import Canvas, Scene, SceneSpec, add_clutter, add_object
from ovdet.data.stickers.series import numbered
from ovdet.data.stickers.split import Category, as_vocabulary, ov_categories
from ovdet.structures import atomic_write

NEW = HELD_OUT[:2]
"""The two objects: octopus and violin."""

NEW_SPEC = SceneSpec(objects=(1, 3))
"""The difficulty of ``stickers-new``; ``objects`` counts the new ones."""

_KNOWN = (0, 3)  # objects of stickers-ov in a picture
_NEWCOMER, _ACQUAINTANCE, _CLUTTER = range(3)


def render_new(rng: Generator, first: str) -> Scene:
    """Render one picture; its objects are the new ones alone.

    Args:
        rng: Source of every choice.
        first: One of ``NEW``: laid first, so that it finds room.

    Raises:
        InputError: If the font is missing.
    """
    spec, known = NEW_SPEC, [category.name for category in ov_categories()]
    picture, backgrounds = paint_background(rng, spec.side, spec.side, split=spec.horizon)
    canvas = Canvas(picture, spec.occlusion)
    add_object(rng, canvas, first, spec)
    more = [
        *[_NEWCOMER] * (count_between(rng, *spec.objects) - 1),
        *[_ACQUAINTANCE] * count_between(rng, *_KNOWN),
        *[_CLUTTER] * count_between(rng, *spec.clutter),
    ]
    for kind in rng.permutation(more).tolist():
        if kind == _CLUTTER:
            add_clutter(rng, canvas, rng.uniform(*spec.clutter_sizes))
        else:
            add_object(rng, canvas, pick(rng, NEW if kind == _NEWCOMER else known), spec)
    scene = canvas.finish(rng, spec.noise, backgrounds)
    objects = tuple(thing for thing in scene.objects if thing.name in NEW)
    return Scene(scene.image, objects, scene.backgrounds)


def write_new(out: Path, seed: int, images: Mapping[str, int]) -> None:
    """Fill a folder with ``stickers-new``: each picture's first object is the next of ``NEW``."""
    categories = [Category(number, name, novel=False) for number, name in enumerate(NEW, 1)]
    for split, count in images.items():
        writer = CocoWriter(categories)
        (out / split).mkdir()
        for index, (file_name, rng) in enumerate(numbered("stickers-new", split, seed, count)):
            scene = render_new(rng, NEW[index % len(NEW)])
            Image.fromarray(scene.image).save(out / split / file_name)
            writer.add(scene, file_name)
        atomic_write(out / "annotations" / f"{split}.json", writer.to_json())
    as_vocabulary(tuple(categories)).save(out / "annotations" / "vocabulary.json")

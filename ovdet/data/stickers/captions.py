"""Captions: an endless stream of pictures with true sentences, addressed by index."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from ovdet.data.stickers.backgrounds import paint_background
from ovdet.data.stickers.chance import count_between, pick
from ovdet.data.stickers.names import NAMES, STICKERS
from ovdet.data.stickers.patches import Patch
from ovdet.data.stickers.scenes import (
    Canvas,
    Placed,
    Scene,
    SceneSpec,
    add_clutter,
    add_object,
    object_patch,
    random_corner,
    tight_box,
)
from ovdet.data.stickers.wording import describe
from ovdet.structures import InputError

_PORTRAITS = 0.95  # share of pictures about one object
# Whatever else tells two captions apart is learnt before names are, and instead of them.
_PLACED_PORTRAITS = 0.05  # share of portraits whose caption says where
_RECOLOURED = 0.04  # share of objects with a colour of their own
_CROPS = 0.85  # share of the portraits that look like an enlarged box of a detector
_CROP_SIZES = (11.0, 54.0)  # side of the objects that detectors crop, px
_NEIGHBOURS = 0.35  # share of portraits with one thing behind the object; in front, likewise
_REWRITES = 3


@dataclass(frozen=True)
class CaptionSample:
    """One picture and what is said about it.

    Attributes:
        image: [S, S, 3], uint8, RGB.
        caption: A true sentence.
        objects: The things the caption names first, then neighbours that stand in front.
        rewrites: Other true sentences that name the same things.
    """

    image: NDArray[np.uint8]
    caption: str
    objects: list[Placed]
    rewrites: list[str]


class CaptionStream:
    """Pictures of one to a few stickers: ``stream[i]`` depends on nothing but the seed and i.

    Most show one object that fills 30 to 100 % of the picture, most of these as a detector would
    crop it: small, enlarged, squashed, with neighbours reaching in.

    Args:
        size: S, the image side, px.
        seed: Another seed is another stream.
        names: What may be shown; all names but the held-out ones by default.
        max_objects: Most objects that a caption names.
        portraits: Share of the pictures that show one object; the others show several, smaller.

    Raises:
        InputError: If a number is out of range or a name unknown.
    """

    def __init__(
        self,
        size: int = 64,
        seed: int = 0,
        names: Sequence[str] | None = None,
        max_objects: int = 3,
        portraits: float = _PORTRAITS,
    ) -> None:
        self.names = tuple(NAMES if names is None else names)
        if size < 16:
            raise InputError(f"size must be at least 16 px, got {size}")
        if seed < 0:
            raise InputError(f"seed must be 0 or more, got {seed}")
        if not 1 <= max_objects <= len(self.names):
            raise InputError(f"max_objects must be 1 to {len(self.names)}, got {max_objects}")
        if unknown := [name for name in self.names if name not in STICKERS]:
            raise InputError(f"names must be stickers, got {unknown[0]!r}")
        self.size = size
        self.seed = seed
        if not 0 <= portraits <= 1:
            raise InputError(f"portraits must be a share from 0 to 1, got {portraits}")
        self.max_objects = max_objects
        self.portraits = portraits

    def __getitem__(self, index: int) -> CaptionSample:
        """Render one sample.

        Raises:
            InputError: If the index is negative, or the font is missing.
        """
        if index < 0:
            raise InputError(f"an endless stream has no index {index}")
        rng = np.random.default_rng((self.seed, index))
        if self.max_objects == 1 or rng.random() < self.portraits:
            scene = self._portrait(rng)
            told = scene.objects[:1]
        else:
            scene = self._group(rng)
            told = scene.objects
        placed = _PLACED_PORTRAITS if len(told) == 1 else 0.35
        caption = describe(rng, told, scene.backgrounds, told_place=placed)
        others = [
            describe(rng, told, scene.backgrounds, told_place=placed) for _ in range(_REWRITES)
        ]
        rewrites = [text for text in dict.fromkeys(others) if text != caption]
        return CaptionSample(scene.image, caption, list(scene.objects), rewrites)

    def distinct(self, count: int) -> list[CaptionSample]:
        """Return the first ``count`` samples whose captions all differ: a set for retrieval."""
        found: dict[str, CaptionSample] = {}
        index = 0
        while len(found) < count:
            sample = self[index]
            found.setdefault(sample.caption, sample)
            index += 1
        return list(found.values())

    def _portrait(self, rng: Generator) -> Scene:
        name = pick(rng, self.names)
        if rng.random() < _CROPS:
            spec = _spec(_CROP_SIZES)
            patch, colour = object_patch(rng, name, rng.uniform(*_CROP_SIZES), spec)
            canvas, backgrounds = self._crop_canvas(rng, patch)
        else:
            spec = _spec((0.3 * self.size, self.size))
            patch, colour = object_patch(rng, name, rng.uniform(*spec.sizes), spec)
            picture, backgrounds = paint_background(rng, self.size, self.size)
            canvas = Canvas(picture, spec.occlusion)
        aside = _spec((0.4 * max(patch.shape[:2]), 1.1 * max(patch.shape[:2])))
        if rng.random() < _NEIGHBOURS:
            self._surround(rng, canvas, aside)
        cut = 0.2 if rng.random() < 0.3 else 0.0
        corner = random_corner(rng, patch, canvas.owner.shape, cut)
        canvas.forget()
        canvas.paste(patch, corner, (name, colour))
        if rng.random() < _NEIGHBOURS:
            self._surround(rng, canvas, aside)
        return _resized(canvas.finish(rng, spec.noise, backgrounds), self.size)

    def _surround(self, rng: Generator, canvas: Canvas, spec: SceneSpec) -> None:
        if rng.random() < 0.5:
            add_clutter(rng, canvas, rng.uniform(*spec.sizes))
        else:
            add_object(rng, canvas, pick(rng, self.names), spec)

    def _crop_canvas(self, rng: Generator, patch: Patch) -> tuple[Canvas, tuple[str, ...]]:
        """Return stuff just large enough for the patch: what a jittered box around it holds."""
        around = rng.uniform(1, 1.15) if rng.random() < 0.7 else rng.uniform(1.15, 1.6)
        height, width = (
            max(6, round(length * around * rng.uniform(0.92, 1.1))) for length in patch.shape[:2]
        )
        # painted at a detector's scale, then cut: a small box sees a small piece of the texture
        picture, backgrounds = paint_background(rng, 2 * height, 2 * width, split=0.0)
        top, left = count_between(rng, 0, height), count_between(rng, 0, width)
        piece = np.ascontiguousarray(picture[top : top + height, left : left + width])
        return Canvas(piece, occlusion=0.5), backgrounds

    def _group(self, rng: Generator) -> Scene:
        spec = _spec((0.22 * self.size, 0.5 * self.size))
        picture, backgrounds = paint_background(rng, self.size, self.size)
        canvas = Canvas(picture, occlusion=0.35)
        count = count_between(rng, 2, self.max_objects)
        for _ in range(count_between(rng, 0, 2)):
            add_clutter(rng, canvas, rng.uniform(0.1, 0.3) * self.size)
        for choice in rng.choice(len(self.names), count, replace=False).tolist():
            add_object(rng, canvas, self.names[choice], spec)
        return canvas.finish(rng, spec.noise, backgrounds)


def _spec(sizes: tuple[float, float]) -> SceneSpec:
    return SceneSpec(sizes=sizes, recolour=_RECOLOURED, overhang=0.5, min_area=12)


def _resized(scene: Scene, size: int) -> Scene:
    """Stretch a scene to a square; objects too thin to keep a pixel are dropped."""
    if scene.image.shape[:2] == (size, size):
        return scene
    image = Image.fromarray(scene.image).resize((size, size), Image.Resampling.BILINEAR)
    height, width = scene.image.shape[:2]
    rows = (np.arange(size) * height) // size
    columns = (np.arange(size) * width) // size
    objects = []
    for thing in scene.objects:
        mask = thing.mask[np.ix_(rows, columns)]
        if mask.any():
            box = tight_box(mask)
            objects.append(Placed(thing.name, thing.colour, box, mask, thing.occluded))
    return Scene(np.asarray(image), tuple(objects), scene.backgrounds)

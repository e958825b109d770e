"""Scenes: stickers and clutter pasted on stuff, with exact masks of what stays visible."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ovdet.data.stickers.backgrounds import paint_background
from ovdet.data.stickers.chance import count_between, pick
from ovdet.data.stickers.names import STICKERS
from ovdet.data.stickers.patches import (
    COLOURS,
    Patch,
    clutter_patch,
    glyph_patch,
    recolour,
    relight,
)
from ovdet.structures import InputError

_NOBODY = -1
_ATTEMPTS = 10  # places tried for one patch before it is left out


@dataclass(frozen=True)
class SceneSpec:
    """How hard a world is. Ranges are inclusive (low, high).

    Attributes:
        side: Image side, px.
        objects: Number of named objects.
        sizes: Longer side of an object before turning, px.
        clutter: Number of unnamed things.
        clutter_sizes: Longer side of an unnamed thing, px.
        recolour: Share of objects that are given one of the eight colours, in [0, 1].
        rotation: Largest turn to either side, degrees.
        brightness: Factor on an object's colours.
        contrast: Factor on an object's distance from its mean colour.
        occlusion: Largest share of an object that other things may cover, in [0, 1].
        overhang: Largest share of an object that the image border may cut off, in [0, 1].
        min_area: Fewest pixels of an object's own mask.
        horizon: Share of images with two kinds of stuff, in [0, 1].
        noise: Standard deviation of the grain, in [0, 1].
    """

    side: int = 128
    objects: tuple[int, int] = (1, 6)
    sizes: tuple[float, float] = (10, 48)
    clutter: tuple[int, int] = (1, 4)
    clutter_sizes: tuple[float, float] = (6, 36)
    recolour: float = 0.0
    rotation: float = 25
    brightness: tuple[float, float] = (0.8, 1.2)
    contrast: tuple[float, float] = (0.75, 1.2)
    occlusion: float = 0.5
    overhang: float = 0.15
    min_area: int = 24
    horizon: float = 0.4
    noise: float = 0.02

    def __post_init__(self) -> None:
        if self.side < 16:
            raise InputError(f"side must be at least 16 px, got {self.side}")
        for field in ("objects", "sizes", "clutter", "clutter_sizes", "brightness", "contrast"):
            low, high = getattr(self, field)
            if not 0 <= low <= high:
                raise InputError(
                    f"{field} must be (low, high) with 0 <= low <= high, got {low, high}"
                )
        for field in ("recolour", "occlusion", "overhang", "horizon", "noise"):
            if not 0 <= getattr(self, field) <= 1:
                raise InputError(f"{field} must be in [0, 1], got {getattr(self, field)}")


@dataclass(frozen=True)
class Placed:
    """One named object of a scene.

    Attributes:
        name: The sticker's name.
        colour: One of the eight colours if it was recoloured, else None.
        box: Tight around ``mask``, xyxy, px; the right and lower edges are exclusive.
        mask: [H, W], bool: the pixels that are still seen.
        occluded: Share of the object inside the image that is covered by other things.
    """

    name: str
    colour: str | None
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    occluded: float


@dataclass(frozen=True)
class Scene:
    """A picture and all that is true of it.

    Attributes:
        image: [H, W, 3], uint8, RGB.
        objects: The named things, those behind first.
        backgrounds: Names of the stuff, from top to bottom.
    """

    image: NDArray[np.uint8]
    objects: tuple[Placed, ...]
    backgrounds: tuple[str, ...]


class Canvas:
    """A picture under construction that knows which object each pixel shows.

    Args:
        picture: [H, W, 3], float32, RGB in [0, 1]; changed in place.
        occlusion: Largest share of an object that may be covered, in [0, 1].
    """

    def __init__(self, picture: Patch, occlusion: float) -> None:
        self.picture = picture
        self.occlusion = occlusion
        height, width = picture.shape[:2]
        self.owner: NDArray[np.int32] = np.full((height, width), _NOBODY, np.int32)  # [H, W]
        self.labels: list[tuple[str, str | None]] = []
        self.areas: list[int] = []  # px inside the image when nothing covered the object
        self.visible: list[int] = []

    def paste(
        self,
        patch: Patch,
        corner: tuple[int, int],
        label: tuple[str, str | None] | None,
        min_area: int = 1,
    ) -> bool:
        """Lay a patch on top, unless it would hide too much of an object below.

        Args:
            patch: [h, w, 4], RGBA in [0, 1].
            corner: Left and upper edge in the picture, px; may lie outside.
            label: Name and colour of an object, None for clutter.
            min_area: Fewest pixels that must fall inside the picture.

        Returns:
            Whether the patch was laid.
        """
        left, top = corner
        height, width = self.owner.shape
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(left + patch.shape[1], width), min(top + patch.shape[0], height)
        if x1 >= x2 or y1 >= y2:
            return False
        part = patch[y1 - top : y2 - top, x1 - left : x2 - left]
        solid = part[..., 3] >= 0.5
        area = int(solid.sum())
        covered = self._covered(self.owner[y1:y2, x1:x2][solid])
        if area < min_area or covered is None:
            return False
        self.visible = [seen - hidden for seen, hidden in zip(self.visible, covered, strict=True)]
        self.owner[y1:y2, x1:x2][solid] = _NOBODY if label is None else len(self.labels)
        below = self.picture[y1:y2, x1:x2]
        below += part[..., 3:] * (part[..., :3] - below)
        if label is not None:
            self.labels.append(label)
            self.areas.append(area)
            self.visible.append(area)
        return True

    def _covered(self, owners: NDArray[np.int32]) -> list[int] | None:
        """Count what a patch would hide of each object; None when it is too much of one."""
        counts = np.bincount(owners + 1, minlength=len(self.areas) + 1)[1:].tolist()
        for area, seen, hidden in zip(self.areas, self.visible, counts, strict=True):
            if hidden and seen - hidden < (1 - self.occlusion) * area:
                return None
        return [int(count) for count in counts]

    def forget(self) -> None:
        """Make all that was laid so far part of the background."""
        self.owner.fill(_NOBODY)
        self.labels, self.areas, self.visible = [], [], []

    def finish(self, rng: Generator, noise: float, backgrounds: tuple[str, ...]) -> Scene:
        """Add grain and return the scene."""
        grain = rng.standard_normal(self.picture.shape, dtype=np.float32) * np.float32(noise)
        image = ((self.picture + grain).clip(0, 1) * 255 + 0.5).astype(np.uint8)
        objects = [self._placed(index) for index in range(len(self.labels))]
        return Scene(image, tuple(objects), backgrounds)

    def _placed(self, index: int) -> Placed:
        name, colour = self.labels[index]
        mask = self.owner == index
        covered = 1 - self.visible[index] / self.areas[index]
        return Placed(name, colour, tight_box(mask), mask, covered)


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the box around [H, W], xyxy, px, right and lower edges exclusive.

    Raises:
        ValueError: If the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        raise ValueError("a tight box needs at least one pixel, got an empty mask")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def object_patch(
    rng: Generator, name: str, side: float, spec: SceneSpec
) -> tuple[Patch, str | None]:
    """Draw one sticker with a random look; return the patch and the colour it was given."""
    angle = math.radians(rng.uniform(-spec.rotation, spec.rotation))
    patch = glyph_patch(STICKERS[name], side, angle, flip=bool(rng.random() < 0.5))
    colour = None
    if rng.random() < spec.recolour:
        colour = pick(rng, tuple(COLOURS))
        patch[..., :3] = recolour(patch[..., :3], colour)
    brightness, contrast = rng.uniform(*spec.brightness), rng.uniform(*spec.contrast)
    patch[..., :3] = relight(patch[..., :3], brightness, contrast)
    return patch, colour


def random_corner(
    rng: Generator, patch: Patch, shape: tuple[int, ...], overhang: float
) -> tuple[int, int]:
    """Choose where a patch goes in a picture of ``shape`` (H, W): left and upper edge, px."""
    corner = []
    for length, room in ((patch.shape[1], shape[1]), (patch.shape[0], shape[0])):
        slack = int(overhang * length)
        low, high = -slack, room - length + slack
        corner.append(count_between(rng, low, high) if low < high else (room - length) // 2)
    return corner[0], corner[1]


def add_clutter(rng: Generator, canvas: Canvas, side: float) -> None:
    """Lay one unnamed thing somewhere, if there is room for it."""
    patch = clutter_patch(rng, side)
    for _ in range(_ATTEMPTS):
        if canvas.paste(patch, random_corner(rng, patch, canvas.owner.shape, 0.5), None):
            return


def add_object(rng: Generator, canvas: Canvas, name: str, spec: SceneSpec) -> None:
    """Lay one named object somewhere, if there is room for it."""
    for _ in range(_ATTEMPTS):
        patch, colour = object_patch(rng, name, rng.uniform(*spec.sizes), spec)
        corner = random_corner(rng, patch, canvas.owner.shape, spec.overhang)
        if canvas.paste(patch, corner, (name, colour), spec.min_area):
            return


def render_scene(rng: Generator, spec: SceneSpec, names: Sequence[str]) -> Scene:
    """Render one picture.

    Args:
        rng: Source of every choice: the same state gives the same scene.
        spec: The difficulty.
        names: What the objects may be; drawn evenly, with repeats.

    Raises:
        InputError: If the font is missing.
    """
    picture, backgrounds = paint_background(rng, spec.side, spec.side, split=spec.horizon)
    canvas = Canvas(picture, spec.occlusion)
    objects, clutter = count_between(rng, *spec.objects), count_between(rng, *spec.clutter)
    # in random order: clutter stands behind objects and in front of them
    order = rng.permutation([True] * objects + [False] * clutter)
    for named in order.tolist():
        if named:
            add_object(rng, canvas, pick(rng, names), spec)
        else:
            add_clutter(rng, canvas, rng.uniform(*spec.clutter_sizes))
    return canvas.finish(rng, spec.noise, backgrounds)

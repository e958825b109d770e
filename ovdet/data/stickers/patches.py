"""Patches: the pieces a scene is pasted together from, stickers and unnamed clutter.

A patch is [h, w, 4], float32, RGBA in [0, 1], colours not weighted by alpha.
"""

import colorsys

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ovdet.data.stickers.backgrounds import blend, smooth_noise
from ovdet.data.stickers.chance import pick
from ovdet.data.stickers.names import DISTRACTORS
from ovdet.data.stickers.sprites import crop_to_visible, turned_glyph

Patch = NDArray[np.float32]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.92, 0.08, 0.08),
    "orange": (1.0, 0.5, 0.02),
    "yellow": (1.0, 0.9, 0.05),
    "green": (0.08, 0.68, 0.14),
    "blue": (0.08, 0.28, 0.95),
    "purple": (0.5, 0.08, 0.75),
    "pink": (1.0, 0.45, 0.72),
    "grey": (0.55, 0.55, 0.55),
}
"""The eight colours a sticker can be given: RGB of a fully saturated bright spot."""

_LIFT = 0.25  # a black sticker is lifted to this brightness, or no colour would show on it


def recolour(rgb: Patch, colour: str) -> Patch:
    """Give [h, w, 3] the hue of a named colour, keeping its light and shade."""
    value = rgb.max(axis=-1, keepdims=True)
    saturation = (value - rgb.min(axis=-1, keepdims=True)) / np.maximum(value, 1e-3)
    strength = 1.0 if colour == "grey" else 0.6 + 0.4 * saturation
    hue = np.asarray(COLOURS[colour], np.float32)
    if colour == "grey":  # the brightness of a hue is not its lightness
        value = rgb.mean(axis=-1, keepdims=True)
    shade = _LIFT + (1 - _LIFT) * value
    return np.asarray(shade * (1 - strength + strength * hue), np.float32)


def relight(rgb: Patch, brightness: float, contrast: float) -> Patch:
    """Scale [h, w, 3] about its mean by ``contrast``, then multiply by ``brightness``."""
    mean = rgb.mean() if rgb.size else 0.0
    changed = ((rgb - mean) * contrast + mean) * brightness
    return np.asarray(changed.clip(0, 1), np.float32)


def glyph_patch(character: str, side: float, angle: float, *, flip: bool) -> Patch:
    """Return a glyph as a patch; see :func:`turned_glyph` for the arguments."""
    return turned_glyph(character, side, angle, flip=flip).astype(np.float32) / np.float32(255)


def clutter_patch(rng: Generator, side: float) -> Patch:
    """Return a thing without a name: a blob, a polygon, a stroke or a piece of a symbol.

    Args:
        rng: Source of every choice.
        side: About the longer side, px.
    """
    return pick(rng, _KINDS)(rng, side)


def _any_colour(rng: Generator) -> Patch:
    hue, saturation, value = rng.random(), rng.random() ** 0.5, rng.uniform(0.15, 1)
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)


def _shaded(rng: Generator, outline: Image.Image) -> Patch:
    """Fill an outline [2h, 2w] (drawn at twice the size) with a blend of two colours."""
    alpha = np.asarray(outline.reduce(2), np.float32) / 255
    first = _any_colour(rng)
    second = first * np.float32(0.7) if rng.random() < 0.6 else _any_colour(rng)
    tone = smooth_noise(rng, alpha.shape[0], alpha.shape[1], (3, 3))
    return _tight(np.concatenate([blend(tone, first, second), alpha[..., None]], axis=-1))


def _tight(patch: Patch) -> Patch:
    whole = (patch * 255).astype(np.uint8)
    return crop_to_visible(whole).astype(np.float32) / np.float32(255)


def _blob(rng: Generator, side: float) -> Patch:
    """A round, lobed shape: a circle whose radius wanders."""
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    waves = rng.uniform(-0.22, 0.22, 3)
    radius = 0.72 + sum(
        w * np.sin((k + 1) * turns + rng.uniform(0, 6)) for k, w in enumerate(waves)
    )
    flat = rng.uniform(0.5, 1)
    points = np.stack([1 + radius * np.cos(turns), 1 + flat * radius * np.sin(turns)], 1) * side
    return _shaded(rng, _drawn(side, points))


def _polygon(rng: Generator, side: float) -> Patch:
    """Three to six corners around a centre."""
    count = int(rng.integers(3, 7))
    turns = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.5, 1, count)
    points = np.stack([1 + radius * np.cos(turns), 1 + radius * np.sin(turns)], 1) * side
    return _shaded(rng, _drawn(side, points))


def _drawn(side: float, points: NDArray[np.float64]) -> Image.Image:
    edge = 2 * int(np.ceil(side))
    outline = Image.new("L", (edge, edge))
    ImageDraw.Draw(outline).polygon(points.ravel().tolist(), fill=255)
    return outline


def _stroke(rng: Generator, side: float) -> Patch:
    """A bent line of some width."""
    edge = 2 * int(np.ceil(side))
    outline = Image.new("L", (edge, edge))
    points = rng.uniform(0.05, 0.95, (int(rng.integers(2, 5)), 2)) * edge
    width = max(3, round(edge * rng.uniform(0.06, 0.2)))
    ImageDraw.Draw(outline).line(points.ravel().tolist(), fill=255, width=width, joint="curve")
    return _shaded(rng, outline)


def _piece(rng: Generator, side: float) -> Patch:
    """A part of a symbol that has no everyday name, cut off along a line."""
    character = pick(rng, DISTRACTORS)
    angle = rng.uniform(-np.pi, np.pi)
    patch = glyph_patch(character, 1.4 * side, angle, flip=bool(rng.random() < 0.5))
    if rng.random() < 0.7:
        patch[..., :3] = recolour(patch[..., :3], pick(rng, tuple(COLOURS)))
    height, width = patch.shape[:2]
    way = rng.uniform(0, 2 * np.pi)
    rows, columns = np.ogrid[:height, :width]
    beyond = (rows - height / 2) * np.sin(way) + (columns - width / 2) * np.cos(way)
    patch[..., 3] *= beyond < rng.uniform(-0.1, 0.2) * side
    return _tight(patch)


_KINDS = (_blob, _polygon, _stroke, _piece)

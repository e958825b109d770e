"""Backgrounds: ten kinds of stuff, each a procedural texture with random parameters.

Every texture takes (rng, H, W) and returns [H, W, 3], RGB in about [0, 1].
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ovdet.data.stickers.chance import pick

Picture = NDArray[np.float32]


def smooth_noise(rng: Generator, height: int, width: int, cells: tuple[float, float]) -> Picture:
    """Return noise in [0, 1], [H, W], with about ``cells`` (down, across) bumps."""
    down, across = (max(2, round(cell)) for cell in cells)
    coarse = Image.fromarray(rng.random((down, across), dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def rough_noise(rng: Generator, height: int, width: int, cells: float, octaves: int = 3) -> Picture:
    """Return noise in [0, 1], [H, W], with ever finer and fainter detail."""
    total = np.zeros((height, width), np.float32)
    weights = 0.5 ** np.arange(octaves, dtype=np.float32)
    for octave, weight in enumerate(weights / weights.sum()):
        fine = cells * 2.0**octave
        total += weight * smooth_noise(rng, height, width, (fine, fine))
    return total


def blend(amount: Picture, low: Picture, high: Picture) -> Picture:
    """Mix two colours [3] by ``amount`` [H, W]: 0 is ``low``, 1 is ``high``."""
    return low + amount[..., None] * (high - low)


def colour_near(rng: Generator, red: float, green: float, blue: float) -> Picture:
    """Return a colour [3] close to the one given."""
    shift = rng.uniform(-0.07, 0.07, 3) + rng.uniform(-0.08, 0.08)
    return np.asarray((np.array([red, green, blue]) + shift).clip(0, 1), np.float32)


def _grid(height: int, width: int) -> tuple[Picture, Picture]:
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    return rows, columns


def grass(rng: Generator, height: int, width: int) -> Picture:
    """Green, with upright blades."""
    blades = smooth_noise(rng, height, width, (height / rng.uniform(4, 9), width / 1.5))
    tone = 0.6 * blades + 0.4 * rough_noise(rng, height, width, 4)
    return blend(tone, colour_near(rng, 0.1, 0.3, 0.08), colour_near(rng, 0.45, 0.7, 0.25))


def desert(rng: Generator, height: int, width: int) -> Picture:
    """Sand with ripples."""
    rows, columns = _grid(height, width)
    bend = rough_noise(rng, height, width, 3) * rng.uniform(4, 12)
    ripples = np.sin(rows * rng.uniform(0.3, 0.8) + columns * rng.uniform(-0.2, 0.2) + bend)
    grain = rng.random((height, width), dtype=np.float32)
    tone = 0.5 + 0.28 * ripples + 0.25 * (grain - 0.5)
    return blend(tone, colour_near(rng, 0.72, 0.52, 0.3), colour_near(rng, 0.92, 0.78, 0.52))


def water(rng: Generator, height: int, width: int) -> Picture:
    """Blue to green, with flat waves and glints."""
    waves = smooth_noise(rng, height, width, (height / rng.uniform(2.5, 5), width / 14))
    tone = 0.65 * waves + 0.35 * rough_noise(rng, height, width, 3)
    glints = (smooth_noise(rng, height, width, (height / 2, width / 7)) > 0.93).astype(np.float32)
    deep, light = colour_near(rng, 0.02, 0.22, 0.42), colour_near(rng, 0.25, 0.6, 0.75)
    return blend(tone, deep, light) + 0.35 * glints[..., None]


def sky(rng: Generator, height: int, width: int) -> Picture:
    """Blue, paler downwards, with clouds."""
    rows, _ = _grid(height, width)
    fall = rows / np.float32(max(height - 1, 1)) + np.zeros((1, width), np.float32)
    clear = blend(fall, colour_near(rng, 0.25, 0.5, 0.85), colour_near(rng, 0.7, 0.85, 0.97))
    clouds = rough_noise(rng, height, width, rng.uniform(2, 4)) - rng.uniform(0.45, 0.65)
    cover = (clouds * 5).clip(0, 0.9)[..., None]
    return np.asarray(clear * (1 - cover) + 0.97 * cover, np.float32)


def snow(rng: Generator, height: int, width: int) -> Picture:
    """Near white, with blue hollows and sparkle."""
    hollows = rough_noise(rng, height, width, rng.uniform(2, 5))
    sparkle = (rng.random((height, width), dtype=np.float32) > 0.985).astype(np.float32)
    tone = (1.6 * hollows - 0.2).clip(0, 1)
    pale = blend(tone, colour_near(rng, 0.7, 0.78, 0.9), colour_near(rng, 0.94, 0.96, 1.0))
    return pale + 0.2 * sparkle[..., None]


def brick(rng: Generator, height: int, width: int) -> Picture:
    """Rows of bricks, every second one shifted by half, in mortar."""
    tall, mortar = rng.uniform(7, 14), rng.uniform(0.9, 2.0)
    long = tall * rng.uniform(1.8, 2.6)
    rows, columns = _grid(height, width)
    down = rows + rng.uniform(0, tall)
    course = down // tall
    along = columns + rng.uniform(0, long) + (course % 2) * long / 2
    joint = ((down % tall) < mortar) | ((along % long) < mortar)
    shades = rng.random((64, 64), dtype=np.float32)
    shade = shades[course.astype(int) % 64, (along // long).astype(int) % 64]
    tone = 0.75 * shade + 0.25 * rng.random((height, width), dtype=np.float32)
    wall = blend(tone, colour_near(rng, 0.48, 0.18, 0.12), colour_near(rng, 0.72, 0.36, 0.26))
    return np.where(joint[..., None], colour_near(rng, 0.75, 0.72, 0.67), wall)


def wood(rng: Generator, height: int, width: int) -> Picture:
    """Planks with grain along them."""
    broad = rng.uniform(14, 34)
    rows, columns = _grid(height, width)
    down = rows + rng.uniform(0, broad)
    plank = (down // broad).astype(int)
    offset = rng.uniform(0, 50, 256).astype(np.float32)[plank % 256]
    bend = smooth_noise(rng, height, width, (height / 9, 3)) * 5
    grain = np.sin((rows + offset) * rng.uniform(0.7, 1.3) + bend + columns * 0.01)
    streaks = smooth_noise(rng, height, width, (height / 1.3, width / 25))
    tone = 0.45 + 0.2 * grain + 0.45 * (streaks - 0.5) + 0.006 * (offset - 25)
    seam = np.broadcast_to(down % broad < 1.2, (height, width))
    boards = blend(tone, colour_near(rng, 0.35, 0.2, 0.1), colour_near(rng, 0.75, 0.53, 0.32))
    return np.where(seam[..., None], np.float32(0.45) * boards, boards)


def road(rng: Generator, height: int, width: int) -> Picture:
    """Grey asphalt with dashes of paint."""
    grain = rng.random((height, width), dtype=np.float32)
    tone = 0.55 * grain + 0.45 * rough_noise(rng, height, width, 4)
    asphalt = blend(tone, colour_near(rng, 0.22, 0.22, 0.24), colour_near(rng, 0.48, 0.48, 0.5))
    rows, columns = _grid(height, width)
    slope, middle = rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.85) * height
    beside = np.abs(rows - middle - slope * (columns - width / 2)) < rng.uniform(1.2, 3)
    dash = ((columns + rng.uniform(0, 30)) % rng.uniform(22, 36)) < rng.uniform(10, 18)
    paint = np.asarray([0.9, 0.88, rng.choice([0.85, 0.3])], np.float32)
    return np.where((beside & dash)[..., None], paint, asphalt)


def leaves(rng: Generator, height: int, width: int) -> Picture:
    """Overlapping leaves, green or autumnal."""
    autumn = rng.random() < 0.4
    base = (0.55, 0.3, 0.1) if autumn else (0.15, 0.4, 0.12)
    ground = tuple((colour_near(rng, *base) * 120).astype(int).tolist())
    picture = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(picture)
    count = int(height * width / 110) + 8
    centres = rng.uniform((0, 0), (width, height), (count, 2))
    angles, lengths = rng.uniform(0, 2 * np.pi, count), rng.uniform(5, 10, count)
    tints = np.asarray(base) * rng.uniform(0.7, 1.7, (count, 1)) + rng.uniform(
        -0.1, 0.1, (count, 3)
    )
    across = np.stack([np.cos(angles), np.sin(angles)], 1) * lengths[:, None]
    aside = np.stack([-np.sin(angles), np.cos(angles)], 1) * lengths[:, None] * 0.4
    corners = np.stack([centres - across, centres + aside, centres + across, centres - aside], 1)
    fills = (tints.clip(0, 1) * 255).astype(int).tolist()
    for corner, fill in zip(corners.reshape(count, 8).tolist(), fills, strict=True):
        pen.polygon(corner, fill=tuple(fill))
    shade = 0.75 + 0.5 * rough_noise(rng, height, width, 5)
    return np.asarray(picture, np.float32) / 255 * shade[..., None]


def night(rng: Generator, height: int, width: int) -> Picture:
    """Dark blue, with stars and a glow from below."""
    rows, _ = _grid(height, width)
    glow = (rows / max(height - 1, 1)) ** 2 + np.zeros((1, width), np.float32)
    tone = 0.6 * glow + 0.4 * rough_noise(rng, height, width, 3)
    dark = blend(tone, colour_near(rng, 0.03, 0.04, 0.12), colour_near(rng, 0.15, 0.15, 0.35))
    stars = rng.random((height, width), dtype=np.float32)
    return dark + 0.8 * ((stars > rng.uniform(0.985, 0.996)) * stars)[..., None]


TEXTURES: dict[str, Callable[[Generator, int, int], Picture]] = {
    "grass": grass,
    "desert": desert,
    "water": water,
    "sky": sky,
    "snow": snow,
    "brick": brick,
    "wood": wood,
    "road": road,
    "leaves": leaves,
    "night": night,
}
"""Name to texture."""

_UPPER = ("sky", "night", "leaves", "brick", "wood")  # what may stand above a horizon
_LOWER = ("grass", "desert", "water", "snow", "road", "leaves", "wood")


def paint_background(
    rng: Generator, height: int, width: int, *, split: float = 0.4
) -> tuple[Picture, tuple[str, ...]]:
    """Paint one texture, or two that meet at a horizon.

    Args:
        rng: Source of every choice.
        height: H, px.
        width: W, px.
        split: Share of pictures with a horizon, in [0, 1].

    Returns:
        [H, W, 3], RGB in [0, 1], and the names from top to bottom.
    """
    if height < 24 or rng.random() >= split:
        name = pick(rng, tuple(TEXTURES))
        return _lit(rng, TEXTURES[name](rng, height, width)), (name,)
    above = pick(rng, _UPPER)
    below = pick(rng, [name for name in _LOWER if name != above])
    horizon = int(rng.uniform(0.25, 0.7) * height)
    top, bottom = TEXTURES[above](rng, height, width), TEXTURES[below](rng, height, width)
    columns = np.arange(width)
    swing = rng.uniform(0, 0.04) * height * np.sin(columns * rng.uniform(0.02, 0.12))
    lower = np.arange(height)[:, None] >= horizon + swing + rng.uniform(-0.1, 0.1) * columns
    return _lit(rng, np.where(lower[..., None], bottom, top)), (above, below)


def _lit(rng: Generator, picture: Picture) -> Picture:
    """Brighten one side and darken the other, as a lamp does."""
    height, width = picture.shape[:2]
    rows, columns = _grid(height, width)
    slope = rng.uniform(-0.15, 0.15, 2)
    light = 1 + slope[0] * (rows / height - 0.5) + slope[1] * (columns / width - 0.5)
    lit = picture * light[..., None] * rng.uniform(0.85, 1.15)
    return np.asarray(lit.clip(0, 1), np.float32)

"""Grounds: stuff with an exact map of which pixel shows which kind."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ovdet.data.stickers.backgrounds import TEXTURES, Picture
from ovdet.data.stickers.chance import pick

_ABOVE = frozenset({"sky", "night", "leaves", "brick", "wood"})
_BELOW = frozenset({"grass", "desert", "water", "snow", "road", "leaves", "wood"})


def paint_ground(
    rng: Generator, side: int, kinds: Sequence[str], *, horizon: float
) -> tuple[Picture, NDArray[np.uint8], tuple[str, ...]]:
    """Paint one texture, or two that meet at a bent line across the picture.

    Args:
        rng: Source of every choice.
        side: S, px.
        kinds: What may be shown; some of it must suit above a horizon, some below.
        horizon: Share of pictures with two kinds of stuff, in [0, 1].

    Returns:
        [S, S, 3], RGB; [S, S], which of the names each pixel shows; the names from top to bottom.
    """
    if rng.random() >= horizon:
        name = pick(rng, kinds)
        return TEXTURES[name](rng, side, side), np.zeros((side, side), np.uint8), (name,)
    above = pick(rng, [name for name in kinds if name in _ABOVE])
    below = pick(rng, [name for name in kinds if name in _BELOW and name != above])
    lower = _below_line(rng, side)
    top, bottom = TEXTURES[above](rng, side, side), TEXTURES[below](rng, side, side)
    picture = np.where(lower[..., None], bottom, top)
    return picture, lower.astype(np.uint8), (above, below)


def _below_line(rng: Generator, side: int) -> NDArray[np.bool_]:
    """Tell which pixels lie below a parabola: sums and products are the same on every machine."""
    height, slope, bend = rng.uniform(0.3, 0.7), rng.uniform(-0.15, 0.15), rng.uniform(-0.1, 0.1)
    across = (np.arange(side) + 0.5) / side - 0.5
    line = (height + slope * across + bend * (4 * across * across - 0.5)) * side
    below: NDArray[np.bool_] = np.arange(side)[:, None] + 0.5 >= line[None, :]
    return below

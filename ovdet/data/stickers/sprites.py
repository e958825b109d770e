"""Sprites: glyphs of a colour font as small pictures with exact outlines."""

import math
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ovdet.data.stickers.names import STICKERS
from ovdet.structures import InputError

FONT_VARIABLE = "OVDET_STICKER_FONT"
GLYPH_SIZE = 109  # the only size at which the font holds pictures, px

_FONT_NAME = "NotoColorEmoji.ttf"
_FONT_PLACES = (
    "/usr/share/fonts/truetype/noto",
    "/usr/share/fonts/noto",
    "/usr/share/fonts/google-noto-emoji",
    "/usr/share/fonts/google-noto-color-emoji-fonts",
    "/usr/local/share/fonts",
    "/opt/homebrew/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "~/Library/Fonts",
    "/Library/Fonts",
)
_CANVAS = 200  # room for a glyph at any offset, px


def find_font() -> Path:
    """Return the path of the sticker font.

    Raises:
        InputError: If it is in none of the usual places and the variable does not name it.
    """
    named = os.environ.get(FONT_VARIABLE)
    if named:
        if Path(named).is_file():
            return Path(named)
        raise InputError(f"{FONT_VARIABLE} must name the file {_FONT_NAME}, got {named!r}")
    for place in _FONT_PLACES:
        path = Path(place).expanduser() / _FONT_NAME
        if path.is_file():
            return path
    raise InputError(
        f"stickers need the font {_FONT_NAME}: install the Debian package fonts-noto-color-emoji, "
        f"or set {FONT_VARIABLE} to the file"
    )


@lru_cache(maxsize=2)
def _load_font(path: Path) -> ImageFont.FreeTypeFont:
    try:
        # the basic layout needs no shaping library, which not every Pillow finds
        return ImageFont.truetype(path, GLYPH_SIZE, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise InputError(
            f"{path} must be {_FONT_NAME} with bitmaps of size 109: {error}"
        ) from error


@lru_cache(maxsize=2048)
def _draw(character: str, path: Path) -> Image.Image:
    canvas = Image.new("RGBA", (_CANVAS, _CANVAS))
    ImageDraw.Draw(canvas).text((10, 10), character, font=_load_font(path), embedded_color=True)
    box = canvas.getchannel("A").getbbox()
    if box is None:
        raise InputError(f"{path} has no picture for {character!r} (U+{ord(character):04X})")
    return canvas.crop(box)


def sprite(name: str) -> NDArray[np.uint8]:
    """Return a sticker's picture, [H, W, 4], RGBA, cropped to what is not transparent.

    Raises:
        InputError: If there is no sticker of that name, or the font is missing.
    """
    if name not in STICKERS:
        raise InputError(f"sticker names must be among the {len(STICKERS)} known, got {name!r}")
    return np.asarray(_draw(STICKERS[name], find_font()))


@lru_cache(maxsize=8192)
def _reduced(character: str, path: Path, factor: int) -> Image.Image:
    # colours weighted by alpha: transparent pixels must not darken the edge when averaged
    return _draw(character, path).convert("RGBa").reduce(factor)


def turned_glyph(character: str, side: float, angle: float, *, flip: bool) -> NDArray[np.uint8]:
    """Return a glyph scaled, turned and cropped to its visible part.

    Args:
        character: One code point of the font.
        side: The longer side before turning, px.
        angle: Counter-clockwise, radians.
        flip: Mirrored left to right.

    Returns:
        [H, W, 4], RGBA, cropped tight around alpha of at least one half.
    """
    path = find_font()
    width, height = _draw(character, path).size
    scale = side / max(width, height)
    factor = max(1, int(1 / scale))  # averaging first; the bilinear turn below then aliases little
    source = _reduced(character, path, factor)
    step = 1 / (scale * factor)  # source px for one px of the result
    cosine, sine = math.cos(angle), math.sin(angle)
    wide = math.ceil((abs(width * cosine) + abs(height * sine)) * scale) + 2
    high = math.ceil((abs(width * sine) + abs(height * cosine)) * scale) + 2
    mirror = -1.0 if flip else 1.0
    a, b, d, e = mirror * step * cosine, -mirror * step * sine, step * sine, step * cosine
    across, down = width / factor / 2, height / factor / 2
    matrix = (
        a, b, across - a * wide / 2 - b * high / 2,
        d, e, down - d * wide / 2 - e * high / 2,
    )  # fmt: skip
    turned = source.transform(
        (wide, high), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    pixels = np.asarray(turned.convert("RGBA"))
    return crop_to_visible(pixels)


def crop_to_visible(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crop [H, W, 4] to the box around alpha of at least one half; may be empty."""
    solid = pixels[..., 3] >= 128
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if len(rows) == 0:
        return pixels[:0, :0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

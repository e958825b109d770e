"""A legend below a picture: what its colours mean, as much of it as there is room for."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ovdet.apis.draw import Colour, shorten, text_size
from ovdet.apis.fonts import font_for
from ovdet.apis.images import Pixels
from ovdet.apis.table import printable

Entry = tuple[str, Colour]
Place = tuple[int, int]  # row, x in px

_NARROWEST = 240  # px; below a narrower picture the legend is wider than it
_SHARE = 1 / 3  # most of the picture's height that the legend may add, but two rows always
_PAPER, _INK, _EDGE = (255, 255, 255), (0, 0, 0), (90, 90, 90)


def with_legend(picture: Pixels, entries: Sequence[Entry]) -> Pixels:
    """Return a picture with its legend below, on white.

    Entries fill rows from left to right in the order given; those for which there is no room are
    counted in a last entry.

    Args:
        picture: [H, W, 3], RGB, uint8. It keeps its place in the upper left.
        entries: Text and colour, the most important first; without any nothing is added.
    """
    if not entries:
        return picture
    height, width = picture.shape[:2]
    legend = _Legend(text_size(height, width), max(width, _NARROWEST))
    strip = legend.draw(entries, most=max(2, int(height * _SHARE / legend.down)))
    wide = np.full((height, strip.shape[1], 3), _PAPER, np.uint8)
    wide[:, :width] = picture
    return np.concatenate([wide, strip])


class _Legend:
    """Rows of entries, each a swatch and a text.

    Args:
        size: Height of letters, px.
        room: Width of a row, px.
    """

    def __init__(self, size: int, room: int) -> None:
        self.size = size
        self.room = room
        self.gap = max(4, size // 2)
        self.down = round(size * 1.5)  # from row to row, px
        self.most = max(_NARROWEST, room // 2) - 2 * self.gap  # width of an entry, px

    def draw(self, entries: Sequence[Entry], most: int) -> Pixels:
        """Return at most ``most`` rows."""
        widths = [self._width(text) for text, _ in entries]
        places = self._places(widths)
        count = sum(row < most for row, _ in places)
        shown: list[tuple[str, Colour | None]] = list(entries[:count])
        while len(shown) < len(entries):
            rest = f"and {len(entries) - len(shown)} more"
            places = self._places([*widths[: len(shown)], self._width(rest)])
            if places[-1][0] < most:
                shown.append((rest, None))
                break
            shown.pop()
        return self._paint(shown, places[: len(shown)])

    def _width(self, text: str) -> int:
        font, text = font_for(printable(text), self.size)
        return min(self._indent + round(font.getlength(text)), self.most)

    @property
    def _indent(self) -> int:
        return self.size + self.gap // 2  # the swatch

    def _places(self, widths: Sequence[int]) -> list[Place]:
        """Return where entries of these widths stand, row by row."""
        places, row, x = [], 0, self.gap
        for width in widths:
            if x > self.gap and x + width + self.gap > self.room:
                row, x = row + 1, self.gap
            places.append((row, x))
            x += width + 2 * self.gap
        return places

    def _paint(self, entries: Sequence[tuple[str, Colour | None]], places: list[Place]) -> Pixels:
        rows = places[-1][0] + 1
        strip = Image.new("RGB", (self.room, rows * self.down + self.gap), _PAPER)
        pen = ImageDraw.Draw(strip)
        for (text, colour), (row, left) in zip(entries, places, strict=True):
            top = self.gap // 2 + row * self.down + (self.down - self.size) // 2
            x = left
            if colour is not None:
                swatch = (left, top, left + self.size - 1, top + self.size - 1)
                pen.rectangle(swatch, fill=colour, outline=_EDGE)
                x = left + self._indent
            font, words = font_for(printable(text), self.size)
            words = shorten(font, words, left + self.most - x)
            pen.text((x, top + self.size // 2), words, fill=_INK, font=font, anchor="lm")
        return np.array(strip)

"""Drawing what was found: boxes, names with scores, tinted masks; one colour a class."""

import colorsys
import hashlib
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ovdet.apis.fonts import Font, font_for
from ovdet.apis.images import Pixels
from ovdet.apis.table import printable

Colour = tuple[int, int, int]
Corner = tuple[int, int]
Chip = tuple[int, int, int, int]  # x1, y1, x2, y2, px

_READABLE = 640  # px; smaller pictures are enlarged to about this, or no name could be read
_TINT = 0.4  # share of the class colour inside a mask


def draw(
    image: Pixels,
    boxes: NDArray[np.float32],
    labels: Sequence[str],
    scores: NDArray[np.float32],
    masks: Iterable[NDArray[np.bool_]] | None = None,
) -> Pixels:
    """Draw N objects over a picture.

    Args:
        image: [H, W, 3], RGB, uint8.
        boxes: [N, 4], xyxy, px.
        labels: N class names.
        scores: [N], in [0, 1], best first.
        masks: N masks [H, W], or None.

    Returns:
        A new picture, uint8: of the same size, or enlarged by a whole factor where the longer
        side is below half of 640 px, so that names can be read.
    """
    canvas, factor = enlarge(image)
    height, width = canvas.shape[:2]
    line = max(2, round((height + width) / 700))
    colours = [class_colour(label) for label in labels]
    for mask, colour in zip(masks or (), colours, strict=masks is not None):
        _tint(canvas, mask, colour, line)
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    corners = np.rint(boxes * factor).astype(int).tolist()
    for box, colour in reversed(list(zip(corners, colours, strict=True))):
        pen.rectangle(_inside(box, width, height), outline=colour, width=line)
    size = text_size(height, width)
    taken: list[Chip] = []
    for box, label, score, colour in zip(corners, labels, scores, colours, strict=True):
        text = f"{printable(label)} {score:.2f}"
        taken.append(_write(pen, box, text, colour, size, taken))
    return np.array(picture)


def enlarge(image: Pixels) -> tuple[Pixels, int]:
    """Return a copy in which names can be read, and the whole factor it is larger by."""
    factor = max(1, _READABLE // max(image.shape[:2]))
    size = image.shape[1] * factor, image.shape[0] * factor
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(canvas, np.uint8), factor


def text_size(height: int, width: int) -> int:
    """Return the height of letters, px, on a picture of this size."""
    return max(12, round((height + width) / 2 / 45))


def class_colour(name: str) -> Colour:
    """Return the colour of a class, RGB: a function of its name alone, bright and saturated."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    hue = int.from_bytes(digest[:4], "big") / 2**32
    saturation = 0.65 + 0.3 * digest[4] / 255
    value = 0.8 + 0.2 * digest[5] / 255
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_colour(back: Colour) -> Colour:
    """Return black or white, whichever contrasts more with ``back`` (WCAG 2 luminance)."""
    linear = [(v / 255) ** 2.2 for v in back]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # (L + 0.05) / 0.05 > 1.05 / (L + 0.05): black contrasts more.
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 0.0525 else (255, 255, 255)


def _tint(canvas: Pixels, mask: NDArray[np.bool_], colour: Colour, line: int) -> None:
    """Lay a mask over the canvas in place, touching only the mask's own rectangle."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    factor = canvas.shape[0] // mask.shape[0]
    y, x = int(rows[0]), int(columns[0])
    part = mask[y : rows[-1] + 1, x : columns[-1] + 1].astype(np.uint8)
    part = part.repeat(factor, axis=0).repeat(factor, axis=1)
    x, y = x * factor, y * factor
    view = canvas[y : y + part.shape[0], x : x + part.shape[1]]
    inside = part.astype(np.bool_)
    view[inside] = (view[inside] * (1 - _TINT) + np.array(colour) * _TINT).astype(np.uint8)
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(x, y))
    cv2.drawContours(canvas, outlines, -1, colour, max(1, line // 2))


def _inside(box: list[int], width: int, height: int) -> Chip:
    """Return a box clipped to the picture, at least one pixel large."""
    x1, y1 = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
    return x1, y1, max(x1, min(box[2], width) - 1), max(y1, min(box[3], height) - 1)


def _write(
    pen: ImageDraw.ImageDraw,
    box: list[int],
    text: str,
    colour: Colour,
    size: int,
    taken: list[Chip],
) -> Chip:
    """Write a label on a chip of its class's colour; return where it stands."""
    width, height = pen.im.size
    font, text = font_for(text, size)
    margin = max(2, size // 5)
    text = shorten(font, text, width - 2 * margin)
    across, down = round(font.getlength(text)) + 2 * margin, round(size * 1.25) + margin
    corners = _corners(box, across, down)
    chips = [_chip(corner, (across, down), (width, height)) for corner in corners]
    chip = min(chips, key=lambda chip: sum(_overlap(chip, other) for other in taken))
    pen.rectangle((chip[0], chip[1], chip[2] - 1, chip[3] - 1), fill=colour)
    middle = (chip[0] + margin, (chip[1] + chip[3]) // 2)
    pen.text(middle, text, fill=text_colour(colour), font=font, anchor="lm")
    return chip


def _corners(box: list[int], across: int, down: int) -> list[Corner]:
    """Return where a label may stand, best first; ``min`` keeps the first of equals."""
    x1, y1, x2, y2 = box
    inside = [(x1, y1), (x2 - across, y1), (x1, y2 - down), (x2 - across, y2 - down)]
    above = [(x1, y1 - down), (x2 - across, y1 - down)]
    below = [(x1, y2), (x2 - across, y2)]
    beside = [(x2, y1), (x1 - across, y1), (x2, y2 - down), (x1 - across, y2 - down)]
    further = [(x1, y1 - 2 * down), (x1, y2 + down)]
    first = above if y1 >= down else inside[:2]
    return [*first, *below, *above, *inside, *beside, *further]


def _chip(corner: Corner, size: tuple[int, int], room: tuple[int, int]) -> Chip:
    x = max(0, min(corner[0], room[0] - size[0]))
    y = max(0, min(corner[1], room[1] - size[1]))
    return x, y, x + size[0], y + size[1]


def _overlap(one: Chip, other: Chip) -> int:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down)


def shorten(font: Font, text: str, room: int) -> str:
    """Cut a text in its middle until it fits, so that both its head and its last figures stay."""
    if font.getlength(text) <= room:
        return text
    head, tail = text[:-5], text[-5:]
    while head and font.getlength(f"{head}...{tail}") > room:
        head = head[: len(head) * 9 // 10]
    return f"{head}...{tail}"

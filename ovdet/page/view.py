"""Results as a browser draws them: outlines, colours, a picture of a size that suits a screen."""

import base64
import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ovdet.apis import Result
from ovdet.apis.coco import Mask, decode_mask
from ovdet.apis.draw import class_colour, text_colour
from ovdet.apis.images import Pixels

_WIDEST = 1600  # px of the longer side; a screen shows no more
_SMALL = 512  # px; below, PNG costs little and spoils nothing


def as_picture(pixels: Pixels, most: int = _WIDEST) -> dict[str, Any]:
    """Return a picture for the stage.

    Args:
        pixels: RGB, uint8, [H, W, 3].
        most: Px of the longer side of what is shown.

    Returns:
        ``width`` and ``height`` of the picture, px, and ``source``, a data URL of it.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((most, most))
    kind = "PNG" if max(image.size) <= _SMALL else "JPEG"
    memory = io.BytesIO()
    image.save(memory, kind, quality=88)
    content = base64.b64encode(memory.getvalue()).decode("ascii")
    height, width = pixels.shape[:2]
    source = f"data:image/{kind.lower()};base64,{content}"
    return {"width": width, "height": height, "source": source}


def as_objects(result: Result) -> list[dict[str, Any]]:
    """Return N objects for the stage, best first.

    Each has ``label``, ``score``, ``box`` (xyxy, px of the picture), ``colour`` and ``ink`` (CSS),
    and ``outline``: the path of its mask as SVG writes it, empty without masks.
    """
    rles = result.rles or (None,) * len(result)
    outlines = ["" if rle is None else outline(decode_mask(rle)) for rle in rles]
    return [
        {
            "label": label,
            "score": score,
            "box": [round(side, 1) for side in box],
            "colour": _css(class_colour(label)),
            "ink": _css(text_colour(class_colour(label))),
            "outline": path,
        }
        for label, score, box, path in zip(
            result.labels, result.scores.tolist(), result.boxes.tolist(), outlines, strict=True
        )
    ]


def outline(mask: Mask) -> str:
    """Return the outlines of a mask [H, W] as a path of SVG, px; holes by the rule ``evenodd``."""
    parts, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    coarse = max(mask.shape) / 1000  # px that nobody sees on a screen
    steps = []
    for part in parts:
        points = cv2.approxPolyDP(part, coarse, closed=True)[:, 0] + 0.5
        steps.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points.tolist()) + "Z")
    return "".join(steps)


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

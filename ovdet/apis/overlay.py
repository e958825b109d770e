"""Colours over the parts of a picture, with lines between them."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ovdet.apis.draw import enlarge
from ovdet.apis.images import Pixels

_TINT = 0.6  # share of a part's colour
_LINE = np.array([255, 255, 255], np.uint8)


def overlay(image: Pixels, parts: NDArray[Any], colours: NDArray[np.uint8]) -> Pixels:
    """Tint each part of a picture and draw a line around it.

    Args:
        image: [H, W, 3], RGB, uint8.
        parts: [H, W], whole numbers: the part of each pixel, 0 to P - 1, or -1 for none, where the
            picture is left as it is.
        colours: [P, 3], RGB, uint8.

    Returns:
        A new picture, uint8, enlarged as ``ovdet.apis.draw.draw`` does.
    """
    canvas, factor = enlarge(image)
    parts = parts.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else parts
    paint = np.append(colours, np.zeros((1, 3), np.uint8), axis=0)[parts]  # -1 takes the last
    tinted = np.asarray(cv2.addWeighted(canvas, 1 - _TINT, paint, _TINT, 0), np.uint8)
    none = parts < 0
    tinted[none] = canvas[none]
    tinted[_edges(parts, max(1, round(sum(parts.shape) / 1000)))] = _LINE
    return tinted


def _edges(parts: NDArray[Any], line: int) -> NDArray[np.bool_]:
    """Return [H, W], True where a part ends; lines are ``line`` px wide."""
    edges = np.zeros(parts.shape, np.uint8)
    edges[:-1] |= parts[:-1] != parts[1:]
    edges[:, :-1] |= parts[:, :-1] != parts[:, 1:]
    if line > 1:
        edges = np.asarray(cv2.dilate(edges, np.ones((line, line), np.uint8)), np.uint8)
    return edges.astype(np.bool_)

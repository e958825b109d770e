"""Pictures to files, whole or not at all."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from ovdet.apis.images import Pixels
from ovdet.structures import InputError, atomic_write

_QUALITY: dict[str, dict[str, Any]] = {"JPEG": {"quality": 92}, "WEBP": {"quality": 92}}


def save_picture(path: Path, draw: Callable[[], Pixels], other: str = "") -> None:
    """Write a picture in the format that the suffix names.

    Args:
        path: The file.
        draw: Gives the picture, RGB, uint8; it is not asked before the suffix has been checked.
        other: Suffixes that the caller writes too, for the message, as ``".json or "``.

    Raises:
        InputError: If the suffix names no picture format.
        OSError: If the file cannot be written; an older file then stays as it was.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"{path}: the suffix must be {other}a picture's, as .png or .jpg")
    memory = io.BytesIO()
    Image.fromarray(draw()).save(memory, kind, **_QUALITY.get(kind, {}))
    atomic_write(path, memory.getvalue())


def save_png(path: Path, values: NDArray[Any]) -> None:
    """Write values as PNG: [H, W] of 8 or 16 bits, or [H, W, 3] of 8 bits.

    Raises:
        InputError: If the suffix is not ``.png``: any other format may change values.
        OSError: If the file cannot be written; an older file then stays as it was.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: must end with .png, which keeps every value")
    memory = io.BytesIO()
    Image.fromarray(values).save(memory, "PNG")
    atomic_write(path, memory.getvalue())

"""Reading a stored image as RGB, without turning it: annotations mean the stored pixels."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ovdet.structures import InputError


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3]; the EXIF orientation is left alone, as COCO's tools do.

    Raises:
        InputError: If the file is missing or not a whole picture.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an image: {error}") from error


def read_sized(path: Path, size: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3], which must be as large as its annotation file says.

    Args:
        path: The file.
        size: Height and width, px.

    Raises:
        InputError: If the file is missing, not a whole picture, or of another size.
    """
    image = read_rgb(path)
    if image.shape[:2] != tuple(size):
        raise InputError(
            f"{path}: must be {size[1]} x {size[0]} px as its annotation file says, "
            f"got {image.shape[1]} x {image.shape[0]}"
        )
    return image


def to_float(image: NDArray[np.uint8]) -> Tensor:
    """Return [3, H, W] in [0, 1] of a picture [H, W, 3]."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(planes).float().div_(255)  # in place: memory is what takes time

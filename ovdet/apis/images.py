"""Reading pictures: whatever a user has in hand becomes RGB uint8 [H, W, 3], or one clear line."""

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ovdet.structures import InputError

Pixels = NDArray[np.uint8]
Source = str | Path | Image.Image | NDArray[Any] | Tensor

# Formats that name themselves in their first bytes. EPS is left out (it starts Ghostscript), and
# so is TGA (any bytes may pass for it).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "ICO")
MAX_PIXELS = 178_956_970  # Pillow's own bound for a decompression bomb: 0.5 GB of RGB

# What Pillow's decoders raise on bytes that lie; each family was met by the fuzz test or stands
# in a plugin's source.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_SIDE_OF_KIND = {2: "LA", 3: "RGB", 4: "RGBA"}


def read_image(source: Source, name: str = "") -> Pixels:
    """Read a picture.

    A file is turned upright as its EXIF orientation says; the first frame of an animation counts;
    transparency is laid over white; 16-bit values keep their upper byte.

    Args:
        source: A path; a Pillow image; an array [H, W] or [H, W, C] with C = 1 (grey), 2 (grey and
            alpha), 3 (RGB) or 4 (RGBA) of bool, uint8, uint16 or float in [0, 1]; a tensor
            [3, H, W] or [1, H, W], uint8 or float in [0, 1].
        name: What messages call the picture; by default its path or its kind.

    Returns:
        RGB, uint8, [H, W, 3].

    Raises:
        InputError: If the file is missing, empty, truncated, not a picture or too large, or the
            array breaks the rules above.
    """
    if isinstance(source, str | Path):
        return decode_image(_read_bytes(Path(source), name or str(source)), name or str(source))
    if isinstance(source, Image.Image):
        return _from_pillow(source, name or "the Pillow image")
    if isinstance(source, Tensor):
        return _from_tensor(source, name or "the tensor")
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "the array")
    raise InputError(
        f"{name or 'image'}: must be a path, a Pillow image, an array or a tensor, "
        f"got {type(source).__name__}"
    )


def decode_image(
    data: bytes, name: str, *, most: int = MAX_PIXELS, formats: Sequence[str] = FORMATS
) -> Pixels:
    """Decode the bytes of a picture file; see ``read_image``.

    Args:
        data: The file.
        name: What messages call it.
        most: Most pixels of a picture that is decoded; of what declares more only the header is
            read.
        formats: Those of Pillow's formats that are tried.

    Raises:
        InputError: If the bytes are not a whole picture of these formats, or it is too large.
    """
    if not data:
        raise InputError(f"{name}: is empty, a picture was expected")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's hints on odd metadata are not for the user
            image = Image.open(io.BytesIO(data), formats=_known_formats(tuple(formats)))
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: is not a picture that can be read") from error
    except _BROKEN as error:
        raise InputError(f"{name}: is not a readable picture: {_reason(error)}") from error
    return _from_pillow(image, name, most)


@cache
def _known_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    Image.init()  # older Pillows know no AVIF
    return tuple(name for name in formats if name in Image.OPEN)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be read: {reason}") from error


def _from_pillow(image: Image.Image, name: str, most: int = MAX_PIXELS) -> Pixels:
    width, height = image.size
    if width < 1 or height < 1:
        raise InputError(f"{name}: must have at least one pixel, got {width} x {height}")
    if width * height > most:
        raise InputError(f"{name}: has {width} x {height} pixels, at most {most} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            pixels = _to_rgb(_upright(image), name)
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(f"{name}: is truncated or damaged: {_reason(error)}") from error
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:
        return image  # damaged metadata does not spoil sound pixels


def _to_rgb(image: Image.Image, name: str) -> Pixels:
    if image.mode.startswith(("I", "F")):
        return _from_array(_deep_pixels(image), name)
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, clear)
    return np.array(image.convert("RGB"))


def _deep_pixels(image: Image.Image) -> NDArray[Any]:
    """Return grey of 16 bits, or float in [0, 1], of a picture with deeper than 8-bit values."""
    values = np.asarray(image)
    if image.mode == "F":
        top = 255.0 if values.size and float(np.nanmax(values)) > 1.0 else 1.0
        return values / np.float32(top)
    return np.clip(values, 0, 65535).astype(np.uint16)


def _from_tensor(tensor: Tensor, name: str) -> Pixels:
    if tensor.ndim != 3 or tensor.shape[0] not in {1, 3}:
        raise InputError(f"{name}: must be [3, H, W] or [1, H, W], got {list(tensor.shape)}")
    values = tensor.detach().permute(1, 2, 0).cpu()
    return _from_array((values.float() if values.is_floating_point() else values).numpy(), name)


def _from_array(array: NDArray[Any], name: str) -> Pixels:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] not in _SIDE_OF_KIND):
        raise InputError(
            f"{name}: must be [H, W] or [H, W, C] with C of 1 to 4, got {list(array.shape)}"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: must have at least one pixel, got {list(array.shape)}")
    values = _to_bytes(array, name)
    if array.ndim == 2:
        return np.repeat(values[:, :, None], 3, axis=2)
    if array.shape[2] == 3:
        return np.array(values, order="C")  # a copy: the caller may go on writing to theirs
    kind = _SIDE_OF_KIND[array.shape[2]]
    return _to_rgb(Image.fromarray(np.ascontiguousarray(values)).convert(kind), name)


def _to_bytes(array: NDArray[Any], name: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        return (array >> 8).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        return _from_unit(array, name)
    raise InputError(f"{name}: values must be bool, uint8, uint16 or float, got {array.dtype}")


def _from_unit(array: NDArray[Any], name: str) -> Pixels:
    low, high = float(array.min()), float(array.max())
    if not (low >= -0.01 and high <= 1.01):  # resizing may overshoot a little; NaN fails too
        raise InputError(
            f"{name}: float values must lie in [0, 1], got {low:.4g} to {high:.4g}; "
            "divide by 255, or pass uint8"
        )
    return (array.clip(0, 1) * 255).round().astype(np.uint8)


def _reason(error: BaseException) -> str:
    """Return one printable line about an error."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c for c in text if c.isprintable())[:200]

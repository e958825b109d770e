"""The system's part: libraries that wheels open, and fonts."""

import ctypes
import sys
from collections.abc import Iterator
from importlib import import_module

from ovdet.checkup import fixes
from ovdet.checkup.findings import NOTE, WRONG, Finding, guarded

_OPENCV = ("libGL.so.1", "libgthread-2.0.so.0")
_STICKERS, _LABELS = "sticker font", "label font"
_EXAMPLE = "猫"


def look() -> Iterator[Finding]:
    """Yield the libraries and the fonts."""
    yield from guarded(look_at_libraries, "libraries")
    yield from guarded(look_at_sticker_font, _STICKERS)
    yield from guarded(look_at_label_font, _LABELS)


def look_at_libraries() -> Iterator[Finding]:
    """Yield the libraries that OpenCV's wheel does not bring; only Linux lacks them."""
    for name in _OPENCV if sys.platform == "linux" else ():
        fix = fixes.system(fixes.LIBRARIES[name])
        if _opens(name):
            yield Finding(name, "found")
        elif _imports("cv2"):
            yield Finding(name, "missing; this OpenCV does without", NOTE, fix)
        else:
            yield Finding(name, "missing, OpenCV needs it", WRONG, fix)


def look_at_sticker_font() -> Iterator[Finding]:
    """Yield the font that stickers are drawn with."""
    import os

    from ovdet.data.stickers.sprites import FONT_VARIABLE, find_font
    from ovdet.structures import InputError

    try:
        yield Finding(_STICKERS, str(find_font()))
    except InputError as error:
        if os.environ.get(FONT_VARIABLE):
            yield Finding(_STICKERS, str(error), WRONG, f"unset {FONT_VARIABLE}")
        else:
            said = "missing: stickers cannot be rendered, all else works"
            yield Finding(_STICKERS, said, NOTE, fixes.system("fonts-noto-color-emoji"))


def look_at_label_font() -> Iterator[Finding]:
    """Yield whether labels beyond the Latin alphabet can be drawn."""
    from ovdet.apis.fonts import font_for

    font, text = font_for(_EXAMPLE, 12)
    if text == _EXAMPLE:
        name = getattr(font, "path", None) or "Pillow's own"
        yield Finding(_LABELS, f"{name} has Chinese and Japanese")
    else:
        said = f"no font has Chinese or Japanese: {_EXAMPLE} is drawn as {text}"
        yield Finding(_LABELS, said, NOTE, fixes.system("fonts-noto-cjk"))


def _opens(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _imports(module: str) -> bool:
    try:
        import_module(module)
    except Exception:  # noqa: BLE001 - a broken package may raise anything
        return False
    return True

"""Fonts for labels: the first installed one that can print a name is used."""

import importlib.util
import sys
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FOLDERS = {
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts",),
}
# From the plain to the wide: each covers scripts that those before it lack.
_NAMES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "segoeui.ttf",
    "unifont.otf",
)
_NOWHERE = "\U0010fffd"  # for private use: a font draws its "missing" box


def font_for(text: str, size: int) -> tuple[Font, str]:
    r"""Return a font of ``size`` px and the text to print with it.

    Characters that no installed font has are replaced by their escapes (``\u732b``), so that
    labels stay distinct.
    """
    plain = _load("", size)
    if _covers(plain, text):
        return plain, text
    for path in _installed():
        font = _load(path, size)
        if _covers(font, text):
            return font, text
    escaped = text.encode("ascii", "backslashreplace").decode("ascii")
    return plain, escaped


@lru_cache(maxsize=64)
def _load(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@cache
def _installed() -> tuple[str, ...]:
    """Return the paths of the known fonts that are installed, in the order above."""
    found: dict[str, str] = {}
    for folder in _folders():
        for path in folder.rglob("*.[ot]t[fc]") if folder.is_dir() else ():
            found.setdefault(path.name, str(path))
    return tuple(found[name] for name in _NAMES if name in found)


def _folders() -> list[Path]:
    folders = [Path(folder).expanduser() for folder in _FOLDERS.get(sys.platform, ())]
    # mmengine needs matplotlib, and matplotlib carries DejaVu Sans; found without importing it.
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin:
        folders.append(Path(spec.origin).parent / "mpl-data" / "fonts")
    return folders


def _covers(font: Font, text: str) -> bool:
    missing = bytes(font.getmask(_NOWHERE))
    return all(
        c.isspace() or bytes(font.getmask(c)) not in {missing, b""} for c in dict.fromkeys(text)
    )

"""Files that a command line names: pictures in, class names in, free names for what goes out."""

import glob
from collections.abc import Sequence
from pathlib import Path

from ovdet.data.splits import read_vocabulary
from ovdet.structures import InputError, Vocabulary

# Suffixes: those whose copies are written in the same format, and the other ones taken from a
# folder.
_WRITTEN_ALIKE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
_OTHERS = {".jpe", ".jfif", ".gif", ".ppm", ".pgm", ".pbm", ".jp2", ".avif", ".ico"}
_PICTURES = _WRITTEN_ALIKE | _OTHERS


class FreeNames:
    """Gives each picture a name of its own in the output folder, never an input's.

    Args:
        out: The output folder.
        inputs: All pictures of the run.
        suffix: The suffix of all files; by default each has its picture's.
    """

    def __init__(self, out: Path, inputs: Sequence[Path], suffix: str = "") -> None:
        self._out = out
        self._suffix = suffix
        self._taken = {_fold(path) for path in inputs}

    def give(self, path: Path) -> Path:
        """Return where the annotated copy of ``path`` goes: its own name where that is free.

        A suffix that is not written becomes ``.gif.png``; a name that is taken, ``photo_2.png``.
        """
        alike = path.suffix.lower() in _WRITTEN_ALIKE
        suffix = self._suffix or (path.suffix if alike else f"{path.suffix}.png")
        target, count = self._out / f"{path.stem}{suffix}", 1
        while _fold(target) in self._taken:
            count += 1
            target = self._out / f"{path.stem}_{count}{suffix}"
        self._taken.add(_fold(target))
        return target


def find_images(sources: Sequence[str]) -> list[Path]:
    """Return the pictures that files, folders and patterns name, each once, in order.

    A folder gives the files in it that have a picture's suffix; a pattern (``shots/*.png``,
    ``**`` for any depth) the files it fits; a file stands for itself, whatever its suffix.

    Raises:
        InputError: If a folder holds no picture or a pattern fits nothing.
    """
    found: dict[Path, None] = {}
    for source in sources:
        inside = _expand(source)
        if not inside:
            raise InputError(f"{source}: no pictures there")
        found.update(dict.fromkeys(inside))
    return list(found)


def read_classes(names: Sequence[str] | None, path: Path | None) -> Vocabulary:
    """Return the vocabulary of given names, or of a file.

    Args:
        names: Class names, or the name of one published vocabulary as ``@lvis-v1``, or None.
        path: UTF-8 text with one name a line, blank lines left out; or a vocabulary's JSON.

    Raises:
        InputError: Unless one of the two is given; if the file is not UTF-8 or holds no name; if
            a name is blank or stands twice; if a published vocabulary is unknown or not alone.
    """
    if (names is None) == (path is None):
        raise InputError('give the classes: either --classes cat "red car" or --classes-file FILE')
    if names is not None:
        return _read_names(names)
    return _read_file(Path(path or ""))


def _read_names(names: Sequence[str]) -> Vocabulary:
    published = next((name for name in names if name.startswith("@")), None)
    if published is None:
        return Vocabulary.of(names)
    if len(names) > 1:
        raise InputError(f"{published} names all classes of a vocabulary and must stand alone")
    return read_vocabulary(published)


def _read_file(path: Path) -> Vocabulary:
    if path.suffix.lower() == ".json":
        return Vocabulary.load(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text, byte {error.start} is not") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise InputError(f"{path}: must hold at least one class name, one a line")
    try:
        return Vocabulary.of(names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _expand(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return sorted(inside for inside in path.iterdir() if _is_picture(inside))
    if path.exists() or not glob.has_magic(source):
        return [path]
    fitting = glob.glob(source, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute ones
    return sorted(Path(name) for name in fitting if Path(name).is_file())


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _PICTURES and not path.name.startswith(".") and path.is_file()


def _fold(path: Path) -> str:
    return str(path.resolve()).casefold()  # some file systems take A.png and a.png for one

"""What formats that are folders share: a fresh folder, names in it, links to the pictures."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ovdet.labelling.parts import Labelled
from ovdet.structures import Vocabulary


@contextmanager
def fresh_folder(path: Path, *inside: str) -> Iterator[Path]:
    """Give a folder that takes the place of ``path`` at a clean end.

    Args:
        path: The folder to make or replace.
        inside: Folders to make in it.

    Raises:
        OSError: If it cannot be written.
    """
    partial, aside = path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.old")
    for left in (partial, aside):
        shutil.rmtree(left, ignore_errors=True)
    for folder in ("", *inside):
        (partial / folder).mkdir(parents=True)
    yield partial
    if path.exists():
        path.rename(aside)
    partial.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


class Stems:
    """Names for pictures of many folders in one: ``photo``, then ``photo_2``; case is no matter."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: Counter[str] = Counter()

    def give(self, name: str) -> str:
        """Return a name without ending that was not given yet."""
        stem = PurePosixPath(name).stem
        given, key = stem, stem.casefold()
        while given.casefold() in self._taken:
            self._counts[key] += 1
            given = f"{stem}_{self._counts[key] + 1}"
        self._taken.add(given.casefold())
        return given


def place_picture(source: Path, target: Path) -> None:
    """Link a picture into a folder, or copy it where the system makes no links."""
    try:
        target.symlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def rows_of(vocabulary: Vocabulary) -> dict[int, int]:
    """Return the place of each category id, from 0 on."""
    return {category: row for row, category in enumerate(vocabulary.category_ids)}


def shares(picture: Labelled, bbox: list[float]) -> tuple[float, float, float, float]:
    """Return a box's x, y, width, height as parts of the picture's sides, cut to it."""
    height, width = picture.size
    x, y, w, h = bbox
    left, right = (min(max(side / width, 0.0), 1.0) for side in (x, x + w))
    top, bottom = (min(max(side / height, 0.0), 1.0) for side in (y, y + h))
    return left, top, right - left, bottom - top

"""Predictions that wait in a file until all are there, so that masks do not fill the memory."""

import json
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.run_lengths import Rle


class Place(NamedTuple):
    """Where one image's predictions lie: a file, a stretch of bytes, and how many they are."""

    path: str
    start: int
    length: int
    entries: int


class Store:
    """A file of this process, to which predictions are added image by image.

    Args:
        folder: Where the file is made; all processes must see it. None takes the system's folder
            for such files.

    Raises:
        OSError: If no file can be made there.
    """

    def __init__(self, folder: str | None = None) -> None:
        handle, name = tempfile.mkstemp(dir=folder, prefix="predictions-", suffix=".jsonl")
        self.path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._end = 0
        self._remove = weakref.finalize(self, _remove, self._file, self.path)

    def add(self, entries: Sequence[dict[str, Any]]) -> Place:
        """Write COCO results of one image and return where they lie."""
        line = json.dumps(list(entries)).encode() + b"\n"
        self._file.write(line)
        self._file.flush()  # another process may read it
        place = Place(str(self.path), self._end, len(line), len(entries))
        self._end += len(line)
        return place

    def close(self) -> None:
        """Remove the file."""
        self._remove()


def _remove(handle: BinaryIO, path: Path) -> None:
    handle.close()
    path.unlink(missing_ok=True)


def fetch(place: Place) -> list[dict[str, Any]]:
    """Return the COCO results that lie there.

    Raises:
        OSError: If the file is gone or cannot be seen from here.
    """
    with Path(place.path).open("rb") as file:
        file.seek(place.start)
        entries: list[dict[str, Any]] = json.loads(file.read(place.length))
    return entries


class StoredMasks(Sequence[Rle]):
    """The masks of predictions that lie in files, one image's in memory at a time.

    Args:
        places: Where they lie, in order.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places
        counts = [place.entries for place in places]
        self.starts: NDArray[np.int64] = np.cumsum([0, *counts])
        self._held: tuple[int, list[dict[str, Any]]] = (-1, [])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        if not 0 <= key < len(self):
            raise IndexError(key)
        row = int(np.searchsorted(self.starts, key, side="right")) - 1
        if self._held[0] != row:
            self._held = (row, fetch(self.places[row]))
        return self._held[1][key - int(self.starts[row])]["segmentation"]

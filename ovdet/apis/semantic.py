"""SemanticResult: the class of every pixel of one picture, and the forms others want it in."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovdet.apis.draw import class_colour
from ovdet.apis.images import Pixels
from ovdet.apis.interchange import to_html
from ovdet.apis.legend import with_legend
from ovdet.apis.overlay import overlay
from ovdet.apis.saving import save_picture, save_png
from ovdet.apis.table import named_rows, percent
from ovdet.structures import IGNORED, InputError, Vocabulary

_BYTE, _WORD = 255, 65_535  # what means no class in files of 8 and of 16 bits


@dataclass(frozen=True, eq=False)
class SemanticResult:
    """The class of every pixel of one picture.

    Attributes:
        labels: [H, W], int32, the place of each pixel's class in ``vocabulary``; ``IGNORED``, -1,
            where it has none.
        vocabulary: The C classes that were asked for.
        image: The picture, RGB, uint8, [H, W, 3], upright.
        file_name: Where the picture was read from; empty when it came from memory.

    Raises:
        InputError: If the map has another size than the picture, or a value that is no class.
    """

    labels: NDArray[np.int32]
    vocabulary: Vocabulary
    image: Pixels
    file_name: str = ""

    def __post_init__(self) -> None:
        if self.labels.shape != self.image.shape[:2]:
            raise InputError(
                f"labels must be {list(self.image.shape[:2])} as the picture, "
                f"got {list(self.labels.shape)}"
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if not IGNORED <= low <= high < len(self.vocabulary):
            raise InputError(
                f"labels must lie in {IGNORED} to {len(self.vocabulary) - 1}, got {low} to {high}"
            )

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """For each of the C classes how many pixels it has, [C]."""
        counts = np.bincount(self.labels.ravel() + 1, minlength=len(self.vocabulary) + 1)
        return counts[1:].astype(np.int64)

    @property
    def shares(self) -> dict[str, float]:
        """By name, for the classes that have pixels, their share of the picture, largest first.

        What is missing to 1 has no class.
        """
        names = self.vocabulary.names
        return {names[i]: float(self.areas[i] / self.labels.size) for i in self._present}

    @property
    def _present(self) -> list[int]:
        order = np.argsort(-self.areas, kind="stable")
        return [int(i) for i in order if self.areas[i] > 0]

    def plot(self) -> Pixels:
        """Return the picture under the colours of its classes, with a legend below.

        The picture stands in the upper left, enlarged by a whole factor where it is small, as in
        ``ovdet.apis.draw.draw``. The legend names the largest classes and says how many more there
        are.
        """
        names = self.vocabulary.names
        colours = np.zeros((len(names), 3), np.uint8)
        for i in self._present:
            colours[i] = class_colour(names[i])
        entries = [(f"{n}  {percent(share)}", class_colour(n)) for n, share in self.shares.items()]
        return with_legend(overlay(self.image, self.labels, colours), entries)

    def save(self, path: str | Path) -> None:
        """Write the coloured picture with its legend; for the classes see ``save_labels``.

        Raises:
            InputError: If the suffix names no picture format.
            OSError: If the file cannot be written; an older file then stays as it was.
        """
        save_picture(Path(path), self.plot)

    def save_labels(self, path: str | Path) -> None:
        """Write the classes as a PNG of one channel, as ``SemanticDataset`` reads it.

        Values are places in the vocabulary, from 0 on: 8 bits with 255 for no class or, where there
        are more than 255 classes, 16 bits with 65,535. ``vocabulary.save(path)`` writes the names.

        Raises:
            InputError: If the suffix is not ``.png``, or there are more than 65,535 classes.
            OSError: If the file cannot be written; an older file then stays as it was.
        """
        classes = len(self.vocabulary)
        if classes > _WORD:
            raise InputError(f"a label map must have at most {_WORD} classes, got {classes}")
        none, kind = (_BYTE, "uint8") if classes <= _BYTE else (_WORD, "uint16")
        save_png(Path(path), np.where(self.labels == IGNORED, none, self.labels).astype(kind))

    def _repr_html_(self) -> str:
        """Return what Jupyter shows: the coloured picture and the table, nothing from outside."""
        return to_html(self.plot(), self.table())

    def table(self) -> str:
        """Return the classes as lines of text: name, share of the picture, pixels."""
        if not self._present:
            return "nothing found"
        rows = [
            f"{percent(share):>5} {self.areas[i]:9d}"
            for i, share in zip(self._present, self.shares.values(), strict=True)
        ]
        return named_rows(list(self.shares), "share    pixels", rows)

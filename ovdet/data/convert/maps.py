"""Label maps of other data sets into the project's: places in a vocabulary, the rest ignored."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ovdet.data.convert.output import Output
from ovdet.data.semantic import read_label_map
from ovdet.structures import InputError

IGNORED, IGNORED_16 = 255, 65_535
_UNKNOWN = -1


class Relabel:
    """What becomes of each pixel value.

    Args:
        classes: Pixel value to class, from 0 on.
        ignored: Values that become ignored.
        wide: Write 16 bits, as more than 255 classes need.
    """

    def __init__(
        self, classes: Mapping[int, int], ignored: Iterable[int], *, wide: bool = False
    ) -> None:
        self._table = np.full(IGNORED_16 + 1, _UNKNOWN, np.int32)
        self._table[list(classes)] = list(classes.values())
        self._table[list(ignored)] = IGNORED_16 if wide else IGNORED
        self._kind = np.uint16 if wide else np.uint8

    def __call__(self, values: NDArray[np.int64], place: Path) -> NDArray[np.integer[Any]]:
        """Return the map of the same shape.

        Args:
            values: [H, W], in [0, 65535].
            place: What a message shall name.

        Raises:
            InputError: If a value is neither a class nor ignored.
        """
        labels = self._table[values]
        if (labels == _UNKNOWN).any():
            wrong = int(values[labels == _UNKNOWN][0])
            raise InputError(f"{place}: holds the value {wrong}, which is no class of the data set")
        converted: NDArray[np.integer[Any]] = labels.astype(self._kind)
        return converted


def write_maps(
    files: Sequence[tuple[str, Path]], relabel: Relabel, output: Output, folder: str
) -> None:
    """Convert label maps.

    Args:
        files: Name below ``folder``, with ``.png``, and the file of each.
        relabel: What becomes of each pixel value.
        output: Where to.
        folder: Below the output folder.

    Raises:
        InputError: If a map cannot be read or holds an unknown value.
    """
    with output.maps(folder) as maps:
        for name, path in tqdm(sorted(files), desc=folder, unit=" maps", disable=None, leave=False):
            maps.add(name, relabel(read_label_map(path)[0], path))


def check_number(
    place: Path | str, found: int, published: int, kind: str, *, partial: bool
) -> None:
    """Check that as many files were found as were published.

    Raises:
        InputError: If not and ``partial`` is off, or if there is none at all.
    """
    if found == 0 or (found != published and not partial):
        rule = f"{place}: must hold {published:,} {kind} as published, found {found:,}"
        raise InputError(rule + ("; --partial converts it all the same" if found else ""))


def read_list(path: Path) -> list[str]:
    """Return the lines of a list file, without blanks around them.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of names: {error}") from error
    return [line.strip() for line in lines if line.strip()]

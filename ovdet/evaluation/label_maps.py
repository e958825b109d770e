"""Semantic segmentation from folders of label maps, as any library can write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ovdet.evaluation.entries import more, refuse
from ovdet.evaluation.semantic import confusion_matrix, evaluate_semantic, relabel
from ovdet.structures import InputError, Vocabulary

_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
_IGNORED = {"L": 255, "P": 255, "I;16": 65_535, "I": 65_535}


def evaluate_label_maps(
    truth: Path,
    results: Path,
    vocabulary: Vocabulary,
    *,
    last: int | None = None,
    absent: str = "skip",
    classes: bool = False,
) -> dict[str, float]:
    """Score a folder of label maps against another.

    Args:
        truth: The folder of the truth: pictures of one channel, PNG or TIFF, whose values are
            places in the vocabulary; 255 in 8 bits and 65535 in 16 have no class. Folders in it are
            walked.
        results: The folder of the predictions, with a map of the same name for each, the ending
            apart.
        vocabulary: The C classes; its novel ones are unseen.
        last: A class that also takes all predictions beyond it, or None; see :func:`relabel`.
        absent: Which classes without truth count, see :func:`evaluate_semantic`.
        classes: Also give each class's IoU.

    Returns:
        The figures of :func:`evaluate_semantic`.

    Raises:
        InputError: If a folder holds no maps, a prediction is missing or of no known image, or a
            map cannot be read, has another size than its truth or holds a value that is no class;
            the first such map is named, the others counted.
    """
    known, found = _maps(truth), _maps(results)
    _match(known, found, results)
    size = len(vocabulary)
    confusion = np.zeros((size, size + 1), np.int64)
    wrong: list[str] = []
    for name, path in known.items():
        theirs = _classes(path)
        try:
            mine = _classes(found[name], last)
            confusion += confusion_matrix(theirs, mine, size)
        except InputError as error:
            told = str(error)
            named = told.startswith(str(found[name]))
            wrong.append(told if named else f"{found[name]} against {path}: {told}")
    refuse(wrong)
    names: Sequence[str] = vocabulary.names if classes else ()
    return evaluate_semantic(confusion, vocabulary.novel_mask, absent=absent, names=names)


def _maps(folder: Path) -> dict[Path, Path]:
    """Return the maps of a folder by their names without the ending."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no label map, no file ending with one of {_SUFFIXES}")
    maps: dict[Path, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("")
        if name in maps:
            raise InputError(f"{folder}: must hold each map once, got {maps[name]} and {path}")
        maps[name] = path
    return maps


def _match(known: dict[Path, Path], found: dict[Path, Path], results: Path) -> None:
    missing = [name for name in known if name not in found]
    strange = [name for name in found if name not in known]
    for names, what in ((missing, "lacks a map for"), (strange, "holds a map of the unknown")):
        if names:
            raise InputError(f"{results}: {what} image {names[0]}{more(len(names))}")


def _classes(path: Path, last: int | None = None) -> NDArray[np.int64]:
    try:
        with Image.open(path) as image:
            mode, values = image.mode, np.asarray(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an image: {error}") from error
    if mode not in _IGNORED:
        raise InputError(f"{path}: must be a label map of one channel, got the mode {mode}")
    return relabel(values, ignored=(_IGNORED[mode],), last=last)

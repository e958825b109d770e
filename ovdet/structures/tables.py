"""Tables of text embeddings that others have written: one row a class, in the order of the names.

A table in another order, of another tower or for other names raises nothing by itself: every box
only gets a wrong name, and AP is 0. What can be told from the array and the names alone is
checked here.

Shapes: C classes, D embedding width.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovdet.structures.errors import InputError

_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = 0.02  # a word in more than this share of the names says nothing about a pair
_FEW = 5
_LEAST_PAIRS = 30
_LEAST_EFFECT = 0.8
_MOST_REPEATED = 0.05
_MOST_SPREAD = 10.0
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Table:
    """Embeddings of C classes, in the order of the vocabulary that holds them.

    Attributes:
        vectors: [C, D], float32, unit norm.
        place: Where they come from, for messages.
        own: Whether the model that is asked made them itself, from words and pictures: nobody needs
            to compare them with what its tower says of the names.
    """

    vectors: Tensor
    place: str
    own: bool = False

    def __len__(self) -> int:
        return len(self.vectors)

    def pick(self, rows: Sequence[int]) -> "Table":
        """Return the embeddings at ``rows``, in that order."""
        return Table(self.vectors[list(rows)], self.place, self.own)


def make_table(array: Any, names: Sequence[str], place: str) -> Table:
    """Check an array against the names it is for.

    The order is checked where at least 30 pairs of names share a rare word ("teddy bear", "bear"):
    such pairs must be more alike than pairs in general, by 0.8 of their standard deviation. In
    published tables of CLIP for LVIS, Objects365, OpenImages and COCO-Stuff it is 1.4 to 2.6, in
    the same ones shuffled, reversed or shifted by one row at most 0.8.

    Args:
        array: [C, D], floating-point, of any norms: an array or a tensor.
        names: C names.
        place: What messages call the array.

    Raises:
        InputError: If the shape is not [C, D], the numbers are not floating-point or not all
            finite, the rows' lengths differ more than tenfold or one is 0, more than one row in 20
            repeats another, or the order cannot be that of the names.
    """
    values = array.detach().cpu().float().numpy() if isinstance(array, Tensor) else array
    values = np.asarray(values)
    _check_shape(values, names, place)
    values = values.astype(np.float64)
    _check_rows(values, names, place)
    vectors = values / np.linalg.norm(values, axis=1, keepdims=True)
    _check_order(vectors, names, place)
    return Table(torch.from_numpy(vectors.astype(np.float32)), place)


def _check_shape(values: np.ndarray[Any, Any], names: Sequence[str], place: str) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"{place}: a table must hold floating-point numbers, got {values.dtype}")
    if values.ndim != 2 or len(values) != len(names) or not values.size:
        shape = list(values.shape)
        hint = "; transpose it" if values.ndim == 2 and shape[1] == len(names) else ""
        raise InputError(
            f"{place}: a table for {len(names)} names must be [{len(names)}, D], got {shape}{hint}"
        )


def _check_rows(values: np.ndarray[Any, Any], names: Sequence[str], place: str) -> None:
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        row = int(broken[0])
        raise InputError(f"{place}: row {row} ({names[row]!r}) holds what is no number")
    lengths = np.linalg.norm(values, axis=1)
    row = int(lengths.argmin())
    if lengths[row] * _MOST_SPREAD < lengths.max() or not lengths[row]:
        raise InputError(
            f"{place}: rows must be of about one length, got {lengths[row]:.3g} in row {row} "
            f"({names[row]!r}) and up to {lengths.max():.3g}"
        )
    repeated = len(values) - len(np.unique(values, axis=0))
    if repeated > _MOST_REPEATED * len(values):
        raise InputError(f"{place}: {repeated} of {len(values)} rows repeat another one")


def _check_order(vectors: np.ndarray[Any, Any], names: Sequence[str], place: str) -> None:
    first, second = _related(names)
    if len(first) < _LEAST_PAIRS:
        return
    likeness = vectors @ vectors.T
    every = likeness[np.triu_indices(len(vectors), 1)]
    effect = (likeness[first, second].mean() - every.mean()) / max(every.std(), 1e-12)
    if effect < _LEAST_EFFECT:
        raise InputError(
            f"{place}: its rows are in another order than the names: {len(first)} pairs of names "
            f"with a word in common are {effect:.1f} standard deviations more alike than others, "
            f"at least {_LEAST_EFFECT} is expected"
        )


def _related(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the pairs of names that share a rare word."""
    rows = defaultdict(list)
    for row, name in enumerate(names):
        for word in set(_WORD.findall(name.lower())):
            rows[word].append(row)
    most = max(_FEW, _COMMON * len(names))
    pairs = {pair for own in rows.values() if len(own) <= most for pair in combinations(own, 2)}
    ordered = sorted(pairs)
    return [a for a, _ in ordered], [b for _, b in ordered]


def find_rows(wanted: Sequence[str], known: Sequence[str], place: str) -> list[int]:
    """Return where each of the wanted names stands among the known ones.

    Raises:
        InputError: If one is not among them; up to five are listed.
    """
    places = {name: row for row, name in enumerate(known)}
    missing = [name for name in wanted if name not in places]
    if missing:
        shown = ", ".join(map(repr, missing[:_SHOWN]))
        raise InputError(f"{place}: has no row for {len(missing)} of {len(wanted)} names: {shown}")
    return [places[name] for name in wanted]

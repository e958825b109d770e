"""Counts over all results: objects, pictures and scores of each class, and a few pictures."""

import hashlib
import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ovdet.labelling.formats.folders import rows_of
from ovdet.labelling.parts import Labelled, Parts

BINS = 20  # of a histogram over scores in [0, 1]


@dataclass
class Counts:
    """What was found, of C classes.

    Attributes:
        scores: [C, 20], objects by score, bins of equal width over [0, 1].
        pictures: [C], pictures with at least one object of the class.
        total: [C], the sum of the scores.
        empty: Pictures without any object.
        sample: Some of the pictures, drawn evenly, in the plan's order.
    """

    scores: NDArray[np.int64]
    pictures: NDArray[np.int64]
    total: NDArray[np.float64]
    empty: int = 0
    sample: list[Labelled] = field(default_factory=list)

    @property
    def objects(self) -> NDArray[np.int64]:
        """[C], objects of each class."""
        found: NDArray[np.int64] = self.scores.sum(axis=1)
        return found


def count(parts: Parts, sample: int) -> Counts:
    """Count over all results.

    Args:
        parts: The results.
        sample: Most pictures in the sample. It is drawn by a hash of their names, so the same
            pictures are drawn whenever and wherever they were labelled.
    """
    vocabulary = parts.plan.task.question.vocabulary
    rows, size = rows_of(vocabulary), len(vocabulary)
    counts = Counts(
        np.zeros((size, BINS), np.int64), np.zeros(size, np.int64), np.zeros(size, np.float64)
    )
    drawn: list[tuple[int, int, Labelled]] = []
    for picture in parts:
        counts.empty += not picture.objects
        classes = [rows[found["category_id"]] for found in picture.objects]
        for row, found in zip(classes, picture.objects, strict=True):
            counts.scores[row, min(int(found["score"] * BINS), BINS - 1)] += 1
            counts.total[row] += found["score"]
        counts.pictures[list(set(classes))] += 1
        entry = (-_draw(picture.name), -picture.index, picture)
        (heapq.heappush if len(drawn) < sample else heapq.heappushpop)(drawn, entry)
    counts.sample = sorted((entry[2] for entry in drawn), key=lambda picture: picture.index)
    return counts


def _draw(name: str) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")

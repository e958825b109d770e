"""Detections as columns: read from COCO's results files, and refused where they are wrong.

A results file says nothing about itself, and most mistakes in one (another data set's ids, corners
instead of sides) give a low score instead of an error. What cannot be meant is therefore refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.checks import refuse_malformed, refuse_wrong
from ovdet.evaluation.columns import MISSHAPEN, read_boxes, read_column
from ovdet.evaluation.names import KINDS
from ovdet.evaluation.run_lengths import Rle
from ovdet.structures import InputError, read_json

Coco = dict[str, list[dict[str, Any]]]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Results:
    """D detections.

    Attributes:
        image_ids: [D].
        category_ids: [D].
        scores: [D].
        boxes: [D, 4], x, y, width, height, px; None where masks alone count.
        masks: D run-length masks, None where boxes alone count. They may lie in a file: one is
            read when it is asked for.
    """

    image_ids: Ints
    category_ids: Ints
    scores: Floats
    boxes: Floats | None = None
    masks: Sequence[Rle] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: NDArray[Any]) -> "Results":
        """Return the detections at these places, [N] whole numbers."""
        return replace(
            self,
            image_ids=self.image_ids[index],
            category_ids=self.category_ids[index],
            scores=self.scores[index],
            boxes=None if self.boxes is None else self.boxes[index],
            masks=None if self.masks is None else _Chosen(self.masks, index),
        )

    def best(self, groups: Ints, count: int) -> "Results":
        """Return the ``count`` best of each group, in their old order; ties go to the earlier.

        Args:
            groups: [D], such as ``image_ids``.
            count: At least 1.
        """
        kept = self.find_best(groups, count)
        return self if len(kept) == len(self) else self.take(kept)

    def find_best(self, groups: Ints, count: int) -> Ints:
        """Return the places of what :meth:`best` keeps, ascending."""
        sizes = np.unique(groups, return_counts=True)[1]
        order = np.lexsort((-self.scores, groups))
        rank = np.arange(len(self)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        kept: Ints = np.sort(order[rank < count])
        return kept


class _Chosen(Sequence[Rle]):
    """Some masks of others, in another order, without a copy."""

    def __init__(self, masks: Sequence[Rle], rows: Ints) -> None:
        self.masks, self.rows = masks, rows
        if isinstance(masks, _Chosen):  # no chain of them
            self.masks, self.rows = masks.masks, masks.rows[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self.masks[i] for i in self.rows[key].tolist()]
        return self.masks[int(self.rows[key])]


def read_results(path: Path, truth: Coco, kind: str = "bbox", *, partial: bool = False) -> Results:
    """Read and check a COCO results file; arguments and errors as :func:`as_results`.

    Raises:
        InputError: Also if the file is not JSON; the message begins with its path.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        found = "an object" if isinstance(entries, dict) else type(entries).__name__
        raise InputError(f"{path}: must be a list of results, got {found}")
    try:
        return as_results(entries, truth, kind, partial=partial)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def as_results(
    entries: Sequence[dict[str, Any]],
    truth: Coco,
    kind: str = "bbox",
    *,
    partial: bool = False,
) -> Results:
    """Return COCO results as columns.

    Args:
        entries: Each with ``image_id``, ``category_id``, ``score``, and ``bbox`` or, for masks,
            ``segmentation`` in run lengths.
        truth: The COCO object they belong to.
        kind: ``bbox``, ``segm`` or ``boundary``.
        partial: Leave out results of images and categories that the truth has not.

    Raises:
        InputError: If ``kind`` is unknown or an entry is wrong: of an unknown image or category,
            with a score that is no finite number, a box that is not x, y, width, height, or a
            mask that is not of its image's size. The message names the first such entry and says
            how many more there are.
    """
    check_kind(kind)
    results = _columns(entries, kind)
    refuse_wrong(results, truth, kind, partial=partial)
    if partial:
        images, categories = ([entry["id"] for entry in truth[k]] for k in ("images", "categories"))
        known = np.isin(results.image_ids, images) & np.isin(results.category_ids, categories)
        return results if known.all() else results.take(np.flatnonzero(known))
    return results


def check_kind(kind: str) -> None:
    """Check that ``kind`` is one of ``KINDS``.

    Raises:
        InputError: If it is not.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {KINDS}, got {kind!r}")


def _columns(entries: Sequence[dict[str, Any]], kind: str) -> Results:
    try:
        images, categories = (
            read_column(entries, key, whole=True) for key in ("image_id", "category_id")
        )
        scores = read_column(entries, "score", whole=False)
        boxes = read_boxes(entries) if kind == "bbox" else None
        masks = None if kind == "bbox" else [entry["segmentation"] for entry in entries]
    except MISSHAPEN as error:
        refuse_malformed(entries, kind, error)
        raise
    return Results(images, categories, scores, boxes, masks)

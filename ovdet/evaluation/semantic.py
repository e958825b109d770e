"""Semantic segmentation: intersection over union of pixels, for seen, unseen and all classes.

One confusion matrix is summed over all images first; IoU is TP / (TP + FP + FN) of a class in it.
A pixel whose truth is ignored adds nothing to any class; a pixel that was given no class is missed
by its own class and claimed by none.

Classes without a pixel in the truth are the trap: published figures of one checkpoint differ by
points with their handling (18.2 and 13.8 on PASCAL Context 459, FC-CLIP's issue 27). The mean
leaves them out by default; the other habits can be chosen.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray
from torch import Tensor

from ovdet.evaluation.names import ABSENT
from ovdet.evaluation.precision import mean_known
from ovdet.registry import METRICS
from ovdet.structures import IGNORED, InputError, Sample

Ints = NDArray[np.int64]


def confusion_matrix(truth: NDArray[Any], found: NDArray[Any], classes: int) -> Ints:
    """Count the pixels of each class by the class they were given.

    Args:
        truth: [H, W], whole numbers: 0 to C - 1, or ``IGNORED``.
        found: [H, W], whole numbers: 0 to C - 1, or ``IGNORED`` for no class.
        classes: C.

    Returns:
        [C, C + 1]: rows are the truth, columns what was found, the last one no class.

    Raises:
        InputError: If the shapes differ, or a value is neither a class nor ``IGNORED``.
    """
    if truth.shape != found.shape:
        raise InputError(f"found must be {truth.shape} as the truth, got {found.shape}")
    counted = truth != IGNORED
    rows, columns = truth[counted].astype(np.int64), found[counted].astype(np.int64)
    for name, values in (("truth", rows), ("found", columns)):
        lowest = 0 if name == "truth" else IGNORED
        if values.size and not (values.min() >= lowest and values.max() < classes):
            wrong = values[(values < lowest) | (values >= classes)][0]
            raise InputError(f"{name} must hold classes 0 to {classes - 1}, got {wrong}")
    columns[columns == IGNORED] = classes
    cells = np.bincount(rows * (classes + 1) + columns, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1)


def evaluate_semantic(
    confusion: Ints,
    novel: Sequence[bool] = (),
    *,
    absent: str = "skip",
    names: Sequence[str] = (),
) -> dict[str, float]:
    """Return the figures of a confusion matrix.

    Args:
        confusion: [C, C + 1], see :func:`confusion_matrix`, summed over the images.
        novel: For each class whether it is unseen; empty means none is.
        absent: Which classes without truth count. ``skip``: none. ``claimed``: those that some
            pixel was given, with 0 (MMSegmentation). ``zero``: all, with 0.
        names: C names, to give each class's ``IoU/<name>`` too.

    Returns:
        ``mIoU``; where a class is unseen ``mIoU(S)``, ``mIoU(U)`` and their harmonic mean
        ``hIoU``; ``pAcc``, the part of pixels that are right; ``mAcc``, its mean over classes;
        ``fwIoU``, IoU weighted by pixels; all in [0, 1], NaN where there is nothing to measure.
        ``classes`` and ``absent classes`` tell how many classes the mean took and how many have no
        truth; where there are such, ``mIoU(skip)``, ``mIoU(claimed)`` and ``mIoU(zero)`` give all
        three habits, so that any published figure finds its like.

    Raises:
        InputError: If ``confusion`` is not [C, C + 1], ``absent`` is unknown, or ``novel`` or
            ``names`` do not have one entry a class.
    """
    _check(confusion, novel, names, absent)
    classes = len(confusion)
    right = np.diag(confusion).astype(np.float64)
    truth = confusion.sum(axis=1).astype(np.float64)
    claimed = confusion[:, :-1].sum(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        iou, accuracy = right / (truth + claimed - right), right / truth
    iou[truth == 0] = np.nan
    weighted = float(np.nansum(truth * iou) / truth.sum()) if truth.any() else float("nan")
    habits = {
        "skip": iou,
        "claimed": np.where((truth == 0) & (claimed > 0), 0, iou),
        "zero": np.where(truth == 0, 0, iou),
    }
    iou = habits[absent]
    report = {"mIoU": mean_known(iou)}
    if truth.any() and not truth.all():
        report |= {f"mIoU({habit})": mean_known(values) for habit, values in habits.items()}
    if any(novel):
        unseen = np.array(novel, np.bool_)
        report["mIoU(S)"], report["mIoU(U)"] = mean_known(iou[~unseen]), mean_known(iou[unseen])
        report["hIoU"] = harmonic(report["mIoU(S)"], report["mIoU(U)"])
    report["pAcc"] = float(right.sum() / truth.sum()) if truth.any() else float("nan")
    report |= {"mAcc": mean_known(accuracy), "fwIoU": weighted}
    report["classes"] = float(classes - np.isnan(iou).sum())
    report["absent classes"] = float((truth == 0).sum())
    return report | {f"IoU/{name}": float(v) for name, v in zip(names, iou, strict=bool(names))}


def harmonic(first: float, second: float) -> float:
    """Return 2 ab / (a + b); 0 where both are 0, NaN where one is."""
    total = first + second
    return 0.0 if total == 0 else 2 * first * second / total


def relabel(values: NDArray[Any], *, ignored: Sequence[int] = (), last: int | None = None) -> Ints:
    """Return stored values as classes.

    Args:
        values: [H, W], whole numbers.
        ignored: Values without a class: 255 in 8 bits, 65535 in 16.
        last: A class that also takes all values beyond it: 20 with CAT-Seg's VOC with background,
            where models are asked for Context's 59 names and what is none of the 20 is background.

    Returns:
        [H, W], int64, ``IGNORED`` where there is no class.
    """
    classes = values.astype(np.int64)
    skip = np.isin(classes, list(ignored))
    if last is not None:
        classes = np.minimum(classes, last)
    return np.where(skip, IGNORED, classes)


def _check(confusion: Ints, novel: Sequence[bool], names: Sequence[str], absent: str) -> None:
    classes = len(confusion)
    if confusion.shape != (classes, classes + 1) or not classes:
        raise InputError(f"confusion must be [C, C + 1] with C > 0, got {confusion.shape}")
    if absent not in ABSENT:
        raise InputError(f"absent must be one of {tuple(ABSENT)}, got {absent!r}")
    for key, values in (("novel", novel), ("names", names)):
        if len(values) not in {0, classes}:
            raise InputError(f"{key} must have one entry a class, {classes}, got {len(values)}")


@METRICS.register_module()
class SemanticMetric(BaseMetric):  # type: ignore[misc]
    """Collects confusion matrices and scores their sum with :func:`evaluate_semantic`.

    The truth is read at the size it is stored in. Of each image only the cells that are not 0 are
    kept and sent between processes.

    Args:
        absent: Which classes without truth count: ``skip``, ``claimed`` or ``zero``.
        last: A class that also takes all predictions beyond it, or None; see :func:`relabel`.
        classes: Also give each class's IoU.

    Raises:
        InputError: If ``absent`` is unknown.
    """

    default_prefix = "semantic"

    def __init__(
        self, *, absent: str = "skip", last: int | None = None, classes: bool = False
    ) -> None:
        super().__init__()
        if absent not in ABSENT:
            raise InputError(f"absent must be one of {tuple(ABSENT)}, got {absent!r}")
        self.absent = absent
        self.last = last
        self.classes = classes

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Tensor]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: ``samples``: B samples.
            data_samples: B label maps [H, W], int64, in px of the stored images; their values
                index the vocabulary of the data set, ``IGNORED`` is no class.

        Raises:
            InputError: If a map has another size than its truth, or a value that is no class.
        """
        labels: Callable[[int], Ints] = self._meta("labels")
        size = len(self._meta("vocabulary"))
        for sample, predicted in zip(data_batch["samples"], data_samples, strict=True):
            found = predicted.cpu().numpy()
            if self.last is not None:
                found = relabel(found, ignored=(IGNORED,), last=self.last)
            try:
                confusion = confusion_matrix(labels(sample.image_id), found, size)
            except InputError as error:
                raise InputError(f"{sample.file_name}: {error}") from error
            cells = np.flatnonzero(confusion)
            self.results.append((cells, confusion.ravel()[cells]))

    def compute_metrics(self, results: list[tuple[Ints, Ints]]) -> dict[str, float]:
        """Return all figures."""
        vocabulary = self._meta("vocabulary")
        confusion = np.zeros((len(vocabulary), len(vocabulary) + 1), np.int64)
        for cells, counts in results:
            confusion.flat[cells] += counts
        return evaluate_semantic(
            confusion,
            vocabulary.novel_mask,
            absent=self.absent,
            names=vocabulary.names if self.classes else (),
        )

    def _meta(self, key: str) -> Any:
        if not self.dataset_meta or key not in self.dataset_meta:
            raise InputError(f"SemanticMetric needs a data set with label maps, it gives no {key}")
        return self.dataset_meta[key]

"""LVIS's average precision, where each image was checked for some of the classes only.

Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019,
https://arxiv.org/abs/1908.03195, Sec. 5: a detection of a class that the image was not checked for
counts neither way; where a class was not marked exhaustively, only what it finds counts. The 300
best of an image count, whatever their class.

*Fixed AP* (Dave et al., "Evaluating Large-Vocabulary Object Detectors: The Devil is in the
Details", 2021, https://arxiv.org/abs/2102.01066, Sec. 4) takes the 10,000 best of a class over the
whole set instead, so that classes do not compete for places in an image.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ovdet.evaluation.coco import by_class
from ovdet.evaluation.results import Results, as_results, check_kind
from ovdet.evaluation.tables import ALL, Bools, Measure, Rules, check_backend, measure, summarize
from ovdet.evaluation.truth import Coco, Truth, as_truth
from ovdet.structures import InputError, without_collection

PER_IMAGE = 300
PER_CLASS = 10_000
FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}
MEASURES = {
    "AP": Measure(),
    "AP50": Measure(iou=0),
    "AP75": Measure(iou=5),
    "APs": Measure(size=1),
    "APm": Measure(size=2),
    "APl": Measure(size=3),
    "AR": Measure(recall=True),
    "ARs": Measure(recall=True, size=1),
    "ARm": Measure(recall=True, size=2),
    "ARl": Measure(recall=True, size=3),
}
_UNLIMITED = 10**9


@without_collection()
def evaluate_lvis(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    novel_ids: Collection[int] = (),
    *,
    fixed: bool = False,
    backend: str = "hotcoco",
    classes: bool = False,
) -> dict[str, float]:
    """Score detections by LVIS's rules.

    The figures are lvis-api's. It knows no crowds, so ``iscrowd`` is not read; objects marked
    ``ignore`` are left out as it does.

    Args:
        truth: An LVIS object: images have ``neg_category_ids`` and ``not_exhaustive_category_ids``,
            categories have ``frequency``.
        results: COCO results, see :func:`~ovdet.evaluation.coco.evaluate_coco`.
        kind: ``bbox``, ``segm`` or ``boundary``.
        novel_ids: Category ids of the novel classes, to have ``base`` and ``novel`` too.
        fixed: The 10,000 best of a class count instead of the 300 best of an image. The results
            must then hold more than 300 of an image to mean anything.
        backend: ``hotcoco``, or ``numpy``, which always serves ``boundary``.
        classes: Also give each class's AP and AP50, as ``AP/<name>``.

    Returns:
        ``<group>/<measure>``, in [0, 1], NaN where there is nothing to measure; groups are
        ``rare``, ``common``, ``frequent`` and ``all``; measures ``AP``, ``AP50``, ``AP75``,
        ``APs``, ``APm``, ``APl``, ``AR``, ``ARs``, ``ARm``, ``ARl``.

    Raises:
        InputError: If ``kind`` or ``backend`` is unknown, or the truth or a result is wrong.
    """
    check_kind(kind)
    check_backend(backend)
    objects = as_truth(truth, kind, federated=True)
    found = results if isinstance(results, Results) else as_results(results, truth, kind)
    groups = _groups(truth, objects, novel_ids)
    if fixed:
        found = found.best(found.category_ids, PER_CLASS)
    else:
        found = found.best(found.image_ids, PER_IMAGE)
    tables = measure(objects, found, kind, Rules(tops=(_UNLIMITED,), federated=True), backend)
    report = summarize(tables, groups, MEASURES)
    if classes:
        names = {category["id"]: category.get("name") for category in truth["categories"]}
        report |= by_class(tables, [str(names[i]) for i in objects.category_ids.tolist()])
    return report


def count_short_classes(truth: Coco, results: Results) -> int:
    """Return how many classes have fewer results than fixed AP counts.

    Where that is most of them the results were cut by image, and the figure is not fixed AP.
    """
    ids = np.sort([category["id"] for category in truth["categories"]])
    counts = np.bincount(np.searchsorted(ids, results.category_ids), minlength=len(ids))
    return int((counts < PER_CLASS).sum())


def _groups(truth: Coco, objects: Truth, novel_ids: Collection[int]) -> dict[str, Bools]:
    frequency = {category["id"]: category.get("frequency") for category in truth["categories"]}
    letters = np.array([str(frequency[i]) for i in objects.category_ids.tolist()])
    unknown = np.flatnonzero(~np.isin(letters, list(FREQUENCIES)))
    if len(unknown):
        raise InputError(
            f"category {objects.category_ids[unknown[0]]} must have a frequency r, c or f, "
            f"got {letters[unknown[0]]}"
        )
    groups: dict[str, Bools] = {name: letters == key for key, name in FREQUENCIES.items()}
    if novel_ids:
        novel = np.isin(objects.category_ids, list(novel_ids))
        groups |= {"base": ~novel, "novel": novel}
    return groups | {ALL: np.ones(len(letters), np.bool_)}

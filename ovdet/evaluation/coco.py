"""COCO's average precision of boxes, masks and boundaries, for base, novel and all classes.

The evaluator runs once, over all classes together; a group's figure is the mean over those of its
classes that have truth. A class without truth counts nowhere, an empty group gives NaN.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ovdet.evaluation.results import Results, as_results, check_kind
from ovdet.evaluation.tables import (
    ALL,
    Bools,
    Measure,
    Rules,
    Tables,
    check_backend,
    measure,
    summarize,
)
from ovdet.evaluation.truth import Coco, as_truth
from ovdet.structures import without_collection

MEASURES = {
    "AP": Measure(),
    "AP50": Measure(iou=0),
    "AP75": Measure(iou=5),
    "APs": Measure(size=1),
    "APm": Measure(size=2),
    "APl": Measure(size=3),
    "AR1": Measure(recall=True, top=0),
    "AR10": Measure(recall=True, top=1),
    "AR100": Measure(recall=True),
    "ARs": Measure(recall=True, size=1),
    "ARm": Measure(recall=True, size=2),
    "ARl": Measure(recall=True, size=3),
}


@without_collection()
def evaluate_coco(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    novel_ids: Collection[int] = (),
    *,
    backend: str = "hotcoco",
    classes: bool = False,
) -> dict[str, float]:
    """Score detections against truth.

    Sizes are those of the boxes, or of the masks where masks are compared, whether or not results
    have boxes too (as MMDetection and Detectron2 do; pycocotools alone would take the boxes').

    Args:
        truth: A COCO object: ``images``, ``annotations``, ``categories``.
        results: COCO results: ``image_id``, ``category_id``, ``score`` and ``bbox`` or
            ``segmentation``; the 100 best of an image and class count.
        kind: ``bbox``, ``segm`` or ``boundary``.
        novel_ids: Category ids of the novel classes; all others are base.
        backend: ``hotcoco``, its reference ``pycocotools``, or ``numpy``, which always serves
            ``boundary``.
        classes: Also give each class's AP and AP50, as ``AP/<name>``.

    Returns:
        ``<group>/<measure>``, in [0, 1], NaN where there is nothing to measure. Measures are COCO's
        twelve: ``AP``, ``AP50``, ``AP75``, ``APs``, ``APm``, ``APl``, ``AR1``, ``AR10``, ``AR100``,
        ``ARs``, ``ARm``, ``ARl``. Groups are base, novel and all and, where there are both sides,
        ``weighted``: (B base + N novel) / (B + N) for B and N classes, the other published habit
        of "all". The two differ as soon as a class has no truth.

    Raises:
        InputError: If ``kind`` or ``backend`` is unknown, or the truth or a result is wrong.
    """
    check_kind(kind)
    check_backend(backend)
    objects = as_truth(truth, kind)
    found = results if isinstance(results, Results) else as_results(results, truth, kind)
    tables = measure(objects, found, kind, Rules(), backend)
    novel = np.isin(objects.category_ids, list(novel_ids))
    groups = {"base": ~novel, "novel": novel, ALL: novel | ~novel}
    report = summarize(tables, groups, MEASURES)
    report |= weigh(report, novel)
    if classes:
        names = {category["id"]: category.get("name") for category in truth["categories"]}
        report |= by_class(tables, [str(names[i]) for i in objects.category_ids.tolist()])
    return report


def class_agnostic_average_recall(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    *,
    backend: str = "hotcoco",
) -> float:
    """Return the recall of an image's 100 best whatever their class, mean over IoU 0.5 to 0.95.

    Arguments and errors are those of :func:`evaluate_coco`; ``boundary`` has no such figure.
    """
    objects = as_truth(truth, kind)
    found = results if isinstance(results, Results) else as_results(results, truth, kind)
    rules = Rules(tops=(100,), by_class=False)
    tables = measure(objects, found, kind, rules, backend)
    everything = {ALL: np.ones(tables.recall.shape[1], np.bool_)}
    return summarize(tables, everything, {"AR": Measure(recall=True)})[f"{ALL}/AR"]


def weigh(report: dict[str, float], novel: Bools) -> dict[str, float]:
    """Return (B base + N novel) / (B + N) of each measure, where there are both sides.

    Args:
        report: ``base/<measure>`` and ``novel/<measure>``.
        novel: For each class of the truth, with or without objects, whether it is novel.
    """
    if not novel.any() or novel.all():
        return {}
    share = float(novel.mean())
    return {
        f"weighted/{key.removeprefix('base/')}": (1 - share) * value
        + share * report[f"novel/{key.removeprefix('base/')}"]
        for key, value in report.items()
        if key.startswith("base/")
    }


def by_class(tables: Tables, names: Sequence[str]) -> dict[str, float]:
    """Return ``AP/<name>`` and ``AP50/<name>`` of each class that has objects."""
    precision = tables.precision[:, :, :, 0, -1].mean(axis=1)  # [10, K]
    rows = {"AP": precision.mean(axis=0), "AP50": precision[0]}
    return {
        f"{measure}/{name}": float(value)
        for measure, values in rows.items()
        for name, value in zip(names, values, strict=True)
        if not np.isnan(value)
    }

"""Precision and recall by threshold, class, size and count: what every average precision reads.

hotcoco does the work, pycocotools is its reference for COCO's rules, and :mod:`.matching` serves
where neither has an answer. Images are handed over in parts, so that masks that lie in a file are
never in memory all at once.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.names import BACKENDS
from ovdet.evaluation.precision import mean_known
from ovdet.evaluation.results import Results
from ovdet.evaluation.truth import Truth
from ovdet.structures import InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALL = "all"
IOUS = np.linspace(0.5, 0.95, 10)
SIZES = ((0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10))  # all, small, medium, large; px
_PART = 500  # images that are handed over at once


@dataclass(frozen=True)
class Rules:
    """What counts.

    Attributes:
        tops: M counts of best detections of an image and class, ascending.
        by_class: A detection is only an object of its own class.
        federated: LVIS's rules: detections of classes that the image was not checked for count
            neither way, and there are no crowds.
    """

    tops: tuple[int, ...] = (1, 10, 100)
    by_class: bool = True
    federated: bool = False


@dataclass(frozen=True)
class Measure:
    """One figure of the tables.

    Attributes:
        recall: Of recall, not of precision.
        iou: Index of the IoU threshold, None for the mean over all.
        size: Index of the size.
        top: Index of the count.
    """

    recall: bool = False
    iou: int | None = None
    size: int = 0
    top: int = -1


@dataclass(frozen=True)
class Tables:
    """Precision and recall; NaN for a class without objects of a size.

    Attributes:
        precision: [10, 101, K, 4, M], by IoU from 0.5 to 0.95, recall from 0 to 1, class, size
            (all, small, medium, large) and count.
        recall: [10, K, 4, M], the highest that is reached.
    """

    precision: Floats
    recall: Floats


def measure(
    truth: Truth, results: Results, kind: str, rules: Rules, backend: str = "hotcoco"
) -> Tables:
    """Compare detections with the truth.

    Args:
        truth: The objects; with masks, where ``kind`` needs them.
        results: Detections of known images and categories.
        kind: ``bbox``, ``segm`` or ``boundary``.
        rules: What counts.
        backend: One of ``BACKENDS``. ``boundary``, and LVIS's objects to ``ignore``, are always
            done by ``numpy``, because the others do not know them. Where hotcoco is not installed
            the figures are the same and take longer: pycocotools gives them, or ``numpy`` for LVIS.

    Raises:
        InputError: If ``backend`` is unknown, or pycocotools is asked for LVIS's rules or the
            ``numpy`` one to overlook classes.
    """
    check_backend(backend)
    backend = find_backend(backend, federated=rules.federated)
    ignored = rules.federated and any(entry.get("ignore") for o in truth.objects for entry in o)
    if backend == "numpy" or kind == "boundary" or ignored:
        from ovdet.evaluation.matching import measure_plainly

        return measure_plainly(truth, results, kind, rules)
    if backend == "pycocotools":
        if rules.federated:
            raise InputError("pycocotools knows no LVIS rules: backend must be hotcoco or numpy")
        return _pycocotools(truth, results, kind, rules)
    return _hotcoco(truth, results, kind, rules)


def summarize(
    tables: Tables, groups: Mapping[str, Bools], measures: Mapping[str, Measure]
) -> dict[str, float]:
    """Return ``<group>/<measure>``, each the mean over what could be measured, else NaN.

    Args:
        tables: Of K classes.
        groups: For each group which classes belong to it, [K].
        measures: What to read.
    """
    report: dict[str, float] = {}
    for group, members in groups.items():
        for name, wanted in measures.items():
            values = tables.recall if wanted.recall else tables.precision
            chosen = values[..., members, wanted.size, wanted.top]
            part = chosen if wanted.iou is None else chosen[wanted.iou]
            report[f"{group}/{name}"] = mean_known(part)
    return report


def find_backend(backend: str, *, federated: bool) -> str:
    """Return who serves where a back end was asked for: itself, or another if it is not installed.

    Args:
        backend: One of ``BACKENDS``.
        federated: By LVIS's rules.
    """
    if backend == "hotcoco" and find_spec("hotcoco") is None:
        return "numpy" if federated else "pycocotools"
    return backend


def check_backend(backend: str) -> None:
    """Check that ``backend`` is one of ``BACKENDS``.

    Raises:
        InputError: If it is not.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend must be one of {BACKENDS}, got {backend!r}")


def by_image(truth: Truth, results: Results) -> tuple[Results, Ints]:
    """Return the results in the order of the truth's images, and where each image's begin, [N + 1].

    Image and category ids become the truth's new ones.
    """
    image = np.searchsorted(truth.image_ids, results.image_ids)
    label = np.searchsorted(truth.category_ids, results.category_ids)
    order = np.argsort(image, kind="stable")
    ordered = results.take(order)
    moved = Results(
        image[order] + 1, label[order] + 1, ordered.scores, ordered.boxes, ordered.masks
    )
    return moved, np.searchsorted(image[order], np.arange(len(truth.images) + 1))


def _hotcoco(truth: Truth, results: Results, kind: str, rules: Rules) -> Tables:
    import hotcoco

    found, starts = by_image(truth, results)
    params = hotcoco.Params(kind)
    params.max_dets, params.use_cats = list(rules.tops), rules.by_class
    stream = hotcoco.StreamingEval(truth.categories, kind, rules.federated, params)
    for first in range(0, len(truth.images), _PART):
        part = slice(first, first + _PART)
        objects = [entry for image in truth.objects[part] for entry in image]
        rows = slice(starts[first], starts[min(first + _PART, len(truth.images))])
        stream.update(truth.images[part], objects, _records(found, kind, rows))
    evaluator = stream.finalize()
    evaluator.accumulate()
    return _tables(evaluator.eval)


def _records(found: Results, kind: str, rows: slice) -> Any:
    if kind == "bbox":
        columns = (found.image_ids[rows], found.boxes[rows], found.scores[rows])  # type: ignore[index]
        return np.column_stack([*columns, found.category_ids[rows]])
    return list(_entries(found, kind, rows))


def _entries(found: Results, kind: str, rows: slice) -> Iterator[dict[str, Any]]:
    """Yield COCO results; masks come without their boxes, so that sizes are the masks' own."""
    key = "bbox" if kind == "bbox" else "segmentation"
    shapes = found.boxes[rows].tolist() if kind == "bbox" else found.masks[rows]  # type: ignore[index]
    columns = (found.image_ids[rows], found.category_ids[rows], found.scores[rows])
    for image, category, score, shape in zip(*(c.tolist() for c in columns), shapes, strict=True):
        yield {"image_id": image, "category_id": category, "score": score, key: shape}


def _pycocotools(truth: Truth, results: Results, kind: str, rules: Rules) -> Tables:
    from pycocotools.cocoeval import COCOeval

    found, _ = by_image(truth, results)
    objects = [dict(entry) for image in truth.objects for entry in image]
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its steps on the screen
        loaded = _coco(truth, objects)
        entries = list(_entries(found, kind, slice(None)))
        detected = loaded.loadRes(entries) if entries else _coco(truth, [])
        evaluator = COCOeval(loaded, detected, kind)
        evaluator.params.maxDets, evaluator.params.useCats = list(rules.tops), int(rules.by_class)
        evaluator.evaluate()
        evaluator.accumulate()
    return _tables(evaluator.eval)


def _coco(truth: Truth, annotations: list[dict[str, Any]]) -> Any:
    from pycocotools.coco import COCO

    loaded = COCO()
    loaded.dataset = {
        "info": {},
        "images": truth.images,
        "annotations": annotations,
        "categories": truth.categories,
    }
    loaded.createIndex()
    return loaded


def _tables(record: Any) -> Tables:
    precision, recall = np.asarray(record["precision"]), np.asarray(record["recall"])
    return Tables(*(np.where(table > -1, table, np.nan) for table in (precision, recall)))

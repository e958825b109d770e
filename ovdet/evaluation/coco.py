"""COCO's average precision of boxes and masks, for base, novel and all classes.

The evaluator runs once, over all classes together; a group's figure is the mean over those of its
classes that have truth. A class without truth counts nowhere, an empty group gives NaN.
"""

import contextlib
import io
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from ovdet.evaluation.recall import class_agnostic_recall
from ovdet.ops.masks import encode_rle, paste_rle
from ovdet.registry import METRICS
from ovdet.structures import InputError, Regions, Sample

Coco = dict[str, list[dict[str, Any]]]
Detections = list[dict[str, Any]]
_BACKENDS = ("hotcoco", "pycocotools")
_KINDS = ("bbox", "segm")


def evaluate_coco(
    truth: Coco,
    results: Detections,
    kind: str = "bbox",
    novel_ids: Collection[int] = (),
    *,
    backend: str = "hotcoco",
    classes: bool = False,
) -> dict[str, float]:
    """Score detections against truth.

    Args:
        truth: A COCO object: ``images``, ``annotations``, ``categories``.
        results: COCO results: ``image_id``, ``category_id``, ``score`` and ``bbox`` or
            ``segmentation``; the 100 best of an image and class count.
        kind: ``bbox`` or ``segm``.
        novel_ids: Category ids of the novel classes; all others are base.
        backend: ``hotcoco``, or its reference ``pycocotools``.
        classes: Also give each class's AP50, as ``AP50/<name>``.

    Returns:
        ``<group>/AP``, ``/AP50`` and ``/AP75`` for the groups base, novel and all, in [0, 1], and
        ``all/AR@100``, the recall of boxes whatever their class, mean over IoU 0.5 to 0.95.

    Raises:
        InputError: If ``kind`` or ``backend`` is unknown, or a result names an unknown image.
    """
    if kind not in _KINDS or backend not in _BACKENDS:
        raise InputError(
            f"kind must be one of {_KINDS} and backend of {_BACKENDS}, got {kind}, {backend}"
        )
    known = {image["id"] for image in truth["images"]}
    if strange := {result["image_id"] for result in results} - known:
        raise InputError(f"results must be of known images, got image {min(strange)}")
    precision = _precision(truth, results, kind, backend)  # [10, K], NaN where there is no truth
    ids = sorted(category["id"] for category in truth["categories"])
    novel = np.array([category in set(novel_ids) for category in ids], np.bool_)
    report: dict[str, float] = {}
    for group, members in (("base", ~novel), ("novel", novel), ("all", novel | ~novel)):
        chosen = precision[:, members]
        report[f"{group}/AP"] = _mean(chosen)
        report[f"{group}/AP50"] = _mean(chosen[0])
        report[f"{group}/AP75"] = _mean(chosen[5])
    report["all/AR@100"] = _class_agnostic(truth, results, kind, backend)
    if classes:
        names = {category["id"]: category["name"] for category in truth["categories"]}
        report |= {
            f"AP50/{names[category]}": float(value)
            for category, value in zip(ids, precision[0], strict=True)
            if not np.isnan(value)
        }
    return report


def _precision(truth: Coco, results: Detections, kind: str, backend: str) -> NDArray[np.float64]:
    """Return AP by IoU threshold and class, [10, K]; NaN for a class without truth."""
    ids = sorted(category["id"] for category in truth["categories"])
    present = {a["category_id"] for a in truth["annotations"] if not a.get("iscrowd")}
    if not results or not present:
        row = np.where([category in present for category in ids], 0.0, np.nan)
        return np.tile(row, (10, 1))
    evaluator = _run(truth, results, kind, backend, by_class=True)
    values = np.asarray(evaluator.eval["precision"])[:, :, :, 0, -1]  # [10, 101, K]
    return np.where((values > -1).any(axis=1), values.mean(axis=1), np.nan)


def _class_agnostic(truth: Coco, results: Detections, kind: str, backend: str) -> float:
    if not any(not a.get("iscrowd") for a in truth["annotations"]):
        return float("nan")
    if not results:
        return 0.0
    evaluator = _run(truth, results, kind, backend, by_class=False)
    recall = np.asarray(evaluator.eval["recall"])[:, :, 0, -1]  # [10, 1]
    return _mean(np.where(recall > -1, recall, np.nan))


def _run(truth: Coco, results: Detections, kind: str, backend: str, *, by_class: bool) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # both report their steps on the screen
        gt = _load(truth, kind, backend)
        evaluator = _evaluator(backend)(gt, gt.loadRes([dict(r) for r in results]), kind)
        evaluator.params.useCats = int(by_class)
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def _load(truth: Coco, kind: str, backend: str) -> Any:
    """Return the truth as the backend's object; masks need one on every annotation."""
    if kind == "segm" and (bare := [a for a in truth["annotations"] if not a.get("segmentation")]):
        raise InputError(
            f"mask evaluation needs a segmentation, annotation {bare[0]['id']} has none"
        )
    lists = ("images", "annotations", "categories")  # copied: the backends write into the entries
    record = {"info": {}, **{key: [dict(entry) for entry in truth[key]] for key in lists}}
    if backend == "hotcoco":
        import hotcoco

        return hotcoco.COCO(record)
    from pycocotools.coco import COCO

    loaded = COCO()
    loaded.dataset = record
    loaded.createIndex()
    return loaded


def _evaluator(backend: str) -> Any:
    if backend == "hotcoco":
        import hotcoco

        return hotcoco.COCOeval
    from pycocotools.cocoeval import COCOeval

    return COCOeval


def _mean(values: NDArray[np.float64]) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


@METRICS.register_module()
class CocoMetric(BaseMetric):  # type: ignore[misc]
    """Collects predictions and scores them with :func:`evaluate_coco`.

    The truth and the vocabulary come with the data set that is measured. The figures also hold
    ``recall50@100/<group>``: the part of objects that some box of the best 100 covers at IoU 0.5,
    whatever its class.

    Args:
        kinds: ``bbox``, ``segm`` or both.
        backend: ``hotcoco`` or ``pycocotools``.
        top: Best boxes of an image that are kept.
        classes: Also give each class's AP50.

    Raises:
        InputError: If a kind or the backend is unknown.
    """

    default_prefix = "coco"

    def __init__(
        self,
        kinds: Sequence[str] = ("bbox", "segm"),
        *,
        backend: str = "hotcoco",
        top: int = 100,
        classes: bool = False,
    ) -> None:
        super().__init__()
        if set(kinds) - set(_KINDS) or backend not in _BACKENDS:
            raise InputError(
                f"kinds must be of {_KINDS} and backend of {_BACKENDS}, got {kinds}, {backend}"
            )
        self.kinds = tuple(kinds)
        self.backend = backend
        self.top = top
        self.classes = classes

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Regions]) -> None:
        """Keep the predictions of a batch.

        Args:
            data_batch: ``samples``: B samples.
            data_samples: B predictions, in px of the stored images; ``labels`` index the
                vocabulary of the data set.
        """
        ids = self._meta("vocabulary").category_ids
        for sample, regions in zip(data_batch["samples"], data_samples, strict=True):
            masks = "segm" in self.kinds
            self.results.append(to_results(regions, sample, ids, top=self.top, masks=masks))

    def compute_metrics(self, results: list[Detections]) -> dict[str, float]:
        """Return all figures, ``<kind>/<group>/<measure>``."""
        vocabulary, truth = self._meta("vocabulary"), self._meta("truth")()
        pairs = zip(vocabulary.category_ids, vocabulary.novel_mask, strict=True)
        novel = [category for category, is_novel in pairs if is_novel]
        found = [result for image in results for result in image]
        report: dict[str, float] = {}
        for kind in self.kinds:
            scored = evaluate_coco(
                truth, found, kind, novel, backend=self.backend, classes=self.classes
            )
            report |= {f"{kind}/{key}": value for key, value in scored.items()}
        recall = class_agnostic_recall(truth, found, novel, iou=0.5, top=100)
        return report | {f"recall50@100/{group}": value for group, value in recall.items()}

    def _meta(self, key: str) -> Any:
        if not self.dataset_meta or key not in self.dataset_meta:
            raise InputError(f"CocoMetric needs a data set with boxes, this one gives no {key}")
        return self.dataset_meta[key]


def to_results(
    regions: Regions, sample: Sample, ids: Sequence[int], *, top: int, masks: bool
) -> Detections:
    """Return one image's predictions as COCO results, best first.

    Args:
        regions: With scores and labels; in px of the stored image. Masks are bool over the image
            or in [0, 1] over the boxes.
        sample: The image they belong to.
        ids: Category id of each label.
        top: Most results.
        masks: Also give each region's mask, where there are masks.
    """
    if regions.scores is None or regions.labels is None:
        raise InputError("predictions must have scores and labels")
    order = regions.scores.argsort(descending=True, stable=True)[:top]
    labels, scores = regions.labels[order].tolist(), regions.scores[order].tolist()
    boxes = regions.boxes[order].cpu()
    sides = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    found: Detections = [
        {"image_id": sample.image_id, "category_id": ids[label], "bbox": box, "score": score}
        for box, label, score in zip(sides, labels, scores, strict=True)
    ]
    if not masks or regions.masks is None:
        return found
    drawn = regions.masks[order].cpu()
    if drawn.dtype is torch.bool:
        encoded = encode_rle(drawn)
    else:
        encoded = paste_rle(drawn, boxes, *sample.original_size)
    return [entry | {"segmentation": rle} for entry, rle in zip(found, encoded, strict=True)]

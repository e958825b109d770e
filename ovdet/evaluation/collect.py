"""Accumulators: a detector's predictions, image by image and process by process, become figures.

A process keeps its predictions in a file and hands over only where they lie; the one that counts
reads them image by image. So no process ever holds all masks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from ovdet.evaluation.coco import class_agnostic_average_recall, evaluate_coco
from ovdet.evaluation.lvis import PER_IMAGE, evaluate_lvis
from ovdet.evaluation.names import KINDS
from ovdet.evaluation.recall import class_agnostic_recall
from ovdet.evaluation.results import Results, check_kind
from ovdet.evaluation.stored import Place, Store, StoredMasks, fetch
from ovdet.evaluation.tables import check_backend
from ovdet.evaluation.truth import Coco, read_truth
from ovdet.ops.masks import paste_rle
from ovdet.ops.rle import encode_rle
from ovdet.registry import METRICS
from ovdet.structures import InputError, Regions, Sample, Vocabulary

_SHORT = {"AP", "AP50", "AP75"}


class _Collector(BaseMetric):  # type: ignore[misc]
    """Keeps predictions in a file of this process and finds them again."""

    def __init__(
        self, kinds: Sequence[str], backend: str, top: int | None, folder: str | None
    ) -> None:
        super().__init__()
        if not kinds:
            raise InputError(f"kinds must name at least one of {KINDS}, got none")
        for kind in kinds:
            check_kind(kind)
        check_backend(backend)
        if top is not None and top < 1:
            raise InputError(f"top must be at least 1, got {top}")
        self.kinds, self.backend, self.top, self.folder = tuple(kinds), backend, top, folder
        self._store: Store | None = None

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Regions]) -> None:
        """Keep the predictions of a batch.

        Args:
            data_batch: ``samples``: B samples.
            data_samples: B predictions, in px of the stored images; ``labels`` index the
                vocabulary of the data set.
        """
        ids = self._meta("vocabulary").category_ids
        masks = set(self.kinds) != {"bbox"}
        if self._store is None:
            self._store = Store(self.folder)
        for sample, regions in zip(data_batch["samples"], data_samples, strict=True):
            found = to_results(regions, sample, ids, top=self.top, masks=masks)
            self.results.append(self._store.add(found))

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather from all processes, return the figures, and remove the files."""
        try:
            figures: dict[str, float] = super().evaluate(size)
        finally:  # the process that counts has read them when the others come here
            if self._store is not None:
                self._store.close()
            self._store = None
        return figures

    def _meta(self, key: str) -> Any:
        if not self.dataset_meta or key not in self.dataset_meta:
            name = type(self).__name__
            raise InputError(f"{name} needs a data set with boxes, this one gives no {key}")
        return self.dataset_meta[key]


@METRICS.register_module()
class CocoMetric(_Collector):
    """Collects predictions and scores them with :func:`~ovdet.evaluation.evaluate_coco`.

    The truth and the vocabulary come with the data set that is measured. The figures also hold
    ``<kind>/all/AR@100``, the recall of the best 100 of an image whatever their class, mean over
    IoU 0.5 to 0.95, and ``recall50@100/<group>``: the part of objects that some box of the best
    100 covers at IoU 0.5.

    Args:
        kinds: Of ``bbox``, ``segm`` and ``boundary``.
        backend: ``hotcoco``, ``pycocotools`` or ``numpy``.
        top: Best boxes of an image that are kept.
        classes: Also give each class's AP and AP50.
        full: Give COCO's twelve measures, not only AP, AP50 and AP75.
        folder: Where predictions wait; all processes must see it. None takes the system's folder
            for temporary files.

    Raises:
        InputError: If a kind or the backend is unknown, or ``top`` is below 1.
    """

    default_prefix = "coco"

    def __init__(
        self,
        kinds: Sequence[str] = ("bbox", "segm"),
        *,
        backend: str = "hotcoco",
        top: int = 100,
        classes: bool = False,
        full: bool = False,
        folder: str | None = None,
    ) -> None:
        super().__init__(kinds, backend, top, folder)
        self.classes = classes
        self.full = full

    def compute_metrics(self, results: list[Place]) -> dict[str, float]:
        """Return all figures, ``<kind>/<group>/<measure>``."""
        truth: Coco = self._meta("truth")()
        novel = _novel(self._meta("vocabulary"))
        found = gather(results, masks=set(self.kinds) != {"bbox"})
        report: dict[str, float] = {}
        for kind in self.kinds:
            scored = evaluate_coco(
                truth, found, kind, novel, backend=self.backend, classes=self.classes
            )
            report |= {f"{kind}/{key}": v for key, v in scored.items() if self._wanted(key)}
            if kind != "boundary":
                backend = "hotcoco" if self.backend == "numpy" else self.backend
                average = class_agnostic_average_recall(truth, found, kind, backend=backend)
                report[f"{kind}/all/AR@100"] = average
        recall = class_agnostic_recall(truth, found, novel, iou=0.5, top=100)
        return report | {f"recall50@100/{group}": value for group, value in recall.items()}

    def _wanted(self, key: str) -> bool:
        group, _, name = key.partition("/")
        return self.full or name in _SHORT or group in _SHORT  # AP50/<class>


@METRICS.register_module()
class LvisMetric(_Collector):
    """Collects predictions and scores them with :func:`~ovdet.evaluation.evaluate_lvis`.

    Args:
        ann_file: The LVIS annotation file; it knows which classes an image was checked for.
        kinds: Of ``bbox``, ``segm`` and ``boundary``.
        fixed: Give fixed AP: the 10,000 best of a class count, and all predictions are kept.
        backend: ``hotcoco`` or ``numpy``.
        classes: Also give each class's AP and AP50.
        folder: Where predictions wait; all processes must see it. None takes the system's folder
            for temporary files.

    Raises:
        InputError: If a kind or the backend is unknown.
    """

    default_prefix = "lvis"

    def __init__(
        self,
        ann_file: str,
        kinds: Sequence[str] = ("bbox", "segm"),
        *,
        fixed: bool = False,
        backend: str = "hotcoco",
        classes: bool = False,
        folder: str | None = None,
    ) -> None:
        super().__init__(kinds, backend, None if fixed else PER_IMAGE, folder)
        if fixed:
            self.prefix = "lvis-fixed"
        self.ann_file = Path(ann_file)
        self.fixed = fixed
        self.classes = classes

    def compute_metrics(self, results: list[Place]) -> dict[str, float]:
        """Return all figures, ``<kind>/<group>/<measure>``."""
        truth = read_truth(self.ann_file)
        novel = _novel(self._meta("vocabulary"))
        found = gather(results, masks=set(self.kinds) != {"bbox"})
        report: dict[str, float] = {}
        for kind in self.kinds:
            scored = evaluate_lvis(
                truth,
                found,
                kind,
                novel,
                fixed=self.fixed,
                backend=self.backend,
                classes=self.classes,
            )
            report |= {f"{kind}/{key}": value for key, value in scored.items()}
        return report


def gather(places: Sequence[Place], *, masks: bool) -> Results:
    """Return stored predictions as columns; masks stay in their files.

    An image that two processes saw counts once.

    Args:
        places: Where the predictions of each image lie.
        masks: Masks are wanted.

    Raises:
        InputError: If masks are wanted and a prediction has none.
        OSError: If a file is gone or cannot be seen from here.
    """
    kept, seen = [], set()
    columns: list[NDArray[np.float64]] = [np.zeros((0, 7))]
    for place in (Place(*place) for place in places):  # mmengine hands on plain tuples
        entries = fetch(place)
        if not entries or entries[0]["image_id"] in seen:
            continue
        if masks and not all("segmentation" in entry for entry in entries):
            raise InputError(f"predictions of image {entries[0]['image_id']} have no masks")
        seen.add(entries[0]["image_id"])
        kept.append(place)
        rows = [(e["image_id"], e["category_id"], e["score"], *e["bbox"]) for e in entries]
        columns.append(np.array(rows, np.float64))
    table = np.concatenate(columns)
    return Results(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2],
        table[:, 3:],
        StoredMasks(kept) if masks else None,
    )


def _novel(vocabulary: Vocabulary) -> list[int]:
    pairs = zip(vocabulary.category_ids, vocabulary.novel_mask, strict=True)
    return [category for category, novel in pairs if novel]


def to_results(
    regions: Regions, sample: Sample, ids: Sequence[int], *, top: int | None, masks: bool
) -> list[dict[str, Any]]:
    """Return one image's predictions as COCO results, best first.

    Args:
        regions: With scores and labels; in px of the stored image. Masks are bool over the image
            or in [0, 1] over the boxes.
        sample: The image they belong to.
        ids: Category id of each label.
        top: Most results; None keeps all.
        masks: Also give each region's mask, where there are masks.

    Raises:
        InputError: If scores or labels are missing, or a score or a box is not finite.
    """
    if regions.scores is None or regions.labels is None:
        raise InputError("predictions must have scores and labels")
    if not (regions.scores.isfinite().all() and regions.boxes.isfinite().all()):
        raise InputError(
            f"predictions must have finite scores and boxes, image {sample.image_id} has not"
        )
    order = regions.scores.argsort(descending=True, stable=True)[:top]
    labels, scores = regions.labels[order].tolist(), regions.scores[order].tolist()
    boxes = regions.boxes[order].cpu()
    sides = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    found: list[dict[str, Any]] = [
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

"""Recall of boxes whatever their class: is the object found at all?"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.results import Results


def class_agnostic_recall(
    truth: dict[str, list[dict[str, Any]]],
    results: Results | Sequence[dict[str, Any]],
    novel_ids: Collection[int] = (),
    *,
    iou: float = 0.5,
    top: int = 100,
) -> dict[str, float]:
    """Return which part of the objects some box covers.

    Args:
        truth: A COCO object; crowds are left out.
        results: COCO results with ``image_id``, ``bbox`` and ``score``.
        novel_ids: Category ids of the novel classes; all others are base.
        iou: An object is found when a box reaches this overlap.
        top: Best boxes of an image that count.

    Returns:
        ``base``, ``novel`` and ``all``, each in [0, 1], NaN where there is no object.
    """
    boxes = _best(results, top)
    objects = defaultdict(list)
    for annotation in truth["annotations"]:
        if not annotation.get("iscrowd"):
            objects[annotation["image_id"]].append(annotation)
    found, novel = [], []
    for image, members in objects.items():
        own = _corners([member["bbox"] for member in members])
        overlap = box_iou(own, boxes.get(image, np.zeros((0, 4))))
        found += (overlap.max(axis=1, initial=0.0) >= iou).tolist()
        novel += [member["category_id"] in novel_ids for member in members]
    hit, is_novel = np.array(found, np.bool_), np.array(novel, np.bool_)
    groups = {"base": hit[~is_novel], "novel": hit[is_novel], "all": hit}
    return {key: float(g.mean()) if g.size else float("nan") for key, g in groups.items()}


def box_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the overlap [N, M] of boxes [N, 4] and [M, 4], xyxy, of positive sides."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(b[:, 2:] - b[:, :2]).prod(axis=1) for b in (first, second)]
    union: NDArray[np.float64] = areas[0][:, None] + areas[1][None] - common
    ratio: NDArray[np.float64] = common / np.maximum(union, 1e-9)
    return ratio


def _best(results: Results | Sequence[dict[str, Any]], top: int) -> dict[int, NDArray[np.float64]]:
    """Return the best boxes of each image, [N, 4], xyxy."""
    if not isinstance(results, Results):
        images, scores = ([r[key] for r in results] for key in ("image_id", "score"))
        owner, score = np.array(images, np.int64), np.array(scores, np.float64)
        boxes = np.array([r["bbox"] for r in results], np.float64).reshape(-1, 4)
        results = Results(owner, np.zeros_like(owner), score, boxes)
    kept = results.best(results.image_ids, top)
    boxes = _corners(kept.boxes if kept.boxes is not None else [])
    order = np.argsort(kept.image_ids, kind="stable")
    ids, starts = np.unique(kept.image_ids[order], return_index=True)
    parts = np.split(boxes[order], starts[1:])
    return dict(zip(ids.tolist(), parts, strict=False))


def _corners(sides: Any) -> NDArray[np.float64]:
    boxes = np.array(sides, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes

"""Recall of boxes whatever their class: is the object found at all?"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_agnostic_recall(
    truth: dict[str, list[dict[str, Any]]],
    results: list[dict[str, Any]],
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
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        by_image[result["image_id"]].append(result)
    boxes = {
        image: _boxes(sorted(found, key=lambda r: -r["score"])[:top])
        for image, found in by_image.items()
    }
    objects = defaultdict(list)
    for annotation in truth["annotations"]:
        if not annotation.get("iscrowd"):
            objects[annotation["image_id"]].append(annotation)
    found, novel = [], []
    for image, members in objects.items():
        overlap = box_iou(_boxes(members), boxes.get(image, np.zeros((0, 4))))
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


def _boxes(entries: list[dict[str, Any]]) -> NDArray[np.float64]:
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes

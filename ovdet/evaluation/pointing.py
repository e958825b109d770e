"""The pointing game: does the place that is most like a phrase lie on what the phrase means?

Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016. Shapes: P phrases,
G boxes of one of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from ovdet.registry import METRICS
from ovdet.structures import InputError, Regions, Sample

Floats = NDArray[np.float64]


def pointing_hits(
    points: Floats, boxes: Sequence[Floats], *, margin: float = 0.0
) -> NDArray[np.bool_]:
    """Return for each phrase whether its point lies in one of its boxes.

    Args:
        points: [P, 2], x and y; NaN where nothing was pointed at.
        boxes: For each phrase the boxes [G, 4] it stands for, xyxy, in the same px.
        margin: By how much each box is grown on all sides, px; Zhang et al. allow 15.

    Returns:
        [P].
    """
    hits = np.zeros(len(points), bool)
    for i, (point, targets) in enumerate(zip(points, boxes, strict=True)):
        inside = (targets[:, :2] - margin <= point) & (point <= targets[:, 2:] + margin)
        hits[i] = inside.all(axis=1).any()
    return hits


def covered_share(boxes: Floats, width: float, height: float) -> float:
    """Return which part of a picture G boxes cover together, in [0, 1]: a blind pointer's chance.

    Args:
        boxes: [G, 4], xyxy, px; what lies outside the picture does not count.
        width: Of the picture, px.
        height: Of the picture, px.
    """
    inside = boxes.clip(0, [width, height] * 2)
    across, down = (np.unique(inside[:, axis::2]) for axis in (0, 1))
    # Between two neighbouring edges either all of a cell is covered or nothing.
    middle_x, middle_y = ((edges[1:] + edges[:-1]) / 2 for edges in (across, down))
    x1, y1, x2, y2 = inside.T[:, :, None]
    columns = (x1 <= middle_x) & (middle_x <= x2)  # [G, cells across]
    rows = (y1 <= middle_y) & (middle_y <= y2)  # [G, cells down]
    covered = (rows[:, :, None] & columns[:, None]).any(axis=0)
    area = (covered * np.diff(down)[:, None] * np.diff(across)).sum()
    return float(area / (width * height))


@METRICS.register_module()
class PhrasePointing(BaseMetric):  # type: ignore[misc]
    """:func:`pointing_hits` over the phrases of a data set of sentences.

    The point is the middle of a phrase's best region, so that what gives places and what gives
    boxes are measured alike. Phrases without a box do not count; one that was not answered is
    missed.

    Args:
        margin: By how much boxes are grown, px of the stored image, at least 0.

    Raises:
        InputError: If the margin is negative.
    """

    default_prefix = "pointing"

    def __init__(self, margin: float = 0.0) -> None:
        super().__init__()
        if margin < 0:
            raise InputError(f"margin must be at least 0 px, got {margin}")
        self.margin = margin

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Regions]) -> None:
        """Judge the points of a batch.

        Args:
            data_batch: ``samples``: B samples with ``phrases``; the labels of their truth tell
                which phrase a box belongs to.
            data_samples: B predictions, in px of the stored images, with scores; ``labels`` tell
                the phrase.

        Raises:
            InputError: If predictions have no scores or labels.
        """
        for sample, regions in zip(data_batch["samples"], data_samples, strict=True):
            wanted = sample.truth.labels
            if regions.scores is None or regions.labels is None or wanted is None:
                raise InputError(f"{sample.file_name}: predictions must have scores and labels")
            boxes = sample.to_original(sample.truth.boxes).double().cpu().numpy()
            asked = np.unique(wanted.cpu().numpy())
            targets = [boxes[wanted.cpu().numpy() == phrase] for phrase in asked]
            points = np.array([_point(regions, phrase) for phrase in asked]).reshape(-1, 2)
            hits = pointing_hits(points, targets, margin=self.margin)
            height, width = sample.original_size
            grown = [group + self.margin * np.array([-1, -1, 1, 1]) for group in targets]
            chance = [covered_share(group, width, height) for group in grown]
            self.results.append(np.stack([hits, chance], axis=1).astype(np.float32))

    def compute_metrics(self, results: list[NDArray[np.float32]]) -> dict[str, float]:
        """Return ``accuracy``, ``chance``, what a blind pointer reaches, and ``phrases``."""
        judged = np.concatenate([np.zeros((0, 2), np.float32), *results])
        if not len(judged):
            return {"accuracy": float("nan"), "chance": float("nan"), "phrases": 0.0}
        accuracy, chance = judged.mean(axis=0, dtype=np.float64).tolist()
        return {"accuracy": accuracy, "chance": chance, "phrases": float(len(judged))}


def _point(regions: Regions, phrase: Any) -> Floats:
    """Return the middle of a phrase's best region, NaN where it has none."""
    if regions.labels is None or regions.scores is None:
        return np.full(2, np.nan)
    own = regions[torch.eq(regions.labels, int(phrase))]
    if not len(own) or own.scores is None:
        return np.full(2, np.nan)
    x1, y1, x2, y2 = own.boxes[own.scores.argmax()].double().cpu().numpy()
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2])

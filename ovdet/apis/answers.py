"""From what detectors and segmentors give to the results that users hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ovdet.apis.coco import Rle
from ovdet.apis.inputs import Picture
from ovdet.apis.panoptic import PanopticResult
from ovdet.apis.result import Result
from ovdet.apis.semantic import SemanticResult
from ovdet.ops.masks import paste_rle
from ovdet.ops.rle import encode_rle
from ovdet.ops.scores import temper
from ovdet.structures import InputError, Regions, Vocabulary

Answer = Result | SemanticResult | PanopticResult


@dataclass(frozen=True)
class Limits:
    """Which objects come back.

    Attributes:
        threshold: Least score, in [0, 1].
        top_k: Most objects a picture, at least 1.
        thresholds: For each class its own least score, in place of ``threshold``; empty for none.
        temperature: What the logits of scores are divided by, above 0, before they are compared
            and shown.

    Raises:
        InputError: If a number is out of its range.
    """

    threshold: float
    top_k: int
    thresholds: tuple[float, ...] = ()
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold must lie in [0, 1], got {self.threshold}")
        if self.top_k < 1:
            raise InputError(f"top_k must be at least 1, got {self.top_k}")

    @property
    def least(self) -> float:
        """The score of the model itself below which nothing comes back, in [0, 1]."""
        least = min(self.thresholds, default=self.threshold)
        return float(temper(torch.tensor(least, dtype=torch.float64), 1 / self.temperature))

    def kept(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return which tempered scores [R] of classes [R] are high enough, bool."""
        if not self.thresholds:
            return scores >= self.threshold
        least = torch.tensor(self.thresholds, dtype=scores.dtype, device=scores.device)
        return scores >= least[labels]


def as_result(picture: Picture, regions: Regions, vocabulary: Vocabulary, limits: Limits) -> Result:
    """Return what of the regions of a picture, in its px, is within limits, best first.

    Raises:
        InputError: If they lack scores or labels.
    """
    if regions.scores is None or regions.labels is None:
        raise InputError("the detector must give scores and labels, got regions without them")
    tempered = temper(regions.scores, limits.temperature)
    order = regions.scores.argsort(descending=True, stable=True)
    order = order[limits.kept(tempered[order], regions.labels[order])][: limits.top_k]
    boxes, scores, labels = (
        value[order].cpu() for value in (regions.boxes, tempered, regions.labels)
    )
    return Result(
        boxes=boxes.float().numpy(),
        scores=scores.float().numpy(),
        class_ids=labels.numpy().astype(np.int64),
        vocabulary=vocabulary,
        image=picture.pixels,
        rles=None if regions.masks is None else _rles(regions.masks, order, boxes, picture),
        file_name=picture.file_name,
    )


def as_semantic(picture: Picture, labels: Tensor, vocabulary: Vocabulary) -> SemanticResult:
    """Return a label map [H, W] of a picture as its result."""
    values = labels.cpu().numpy().astype(np.int32)
    return SemanticResult(values, vocabulary, picture.pixels, picture.file_name)


def as_panoptic(
    picture: Picture,
    found: tuple[Tensor, Mapping[int, int]],
    vocabulary: Vocabulary,
    things: tuple[bool, ...] = (),
) -> PanopticResult:
    """Return segment ids [H, W] of a picture, and the class of each, as its result.

    Args:
        picture: The picture.
        found: The ids, and {id: class}.
        vocabulary: The C classes.
        things: For each class whether it is countable; empty where that is not known.
    """
    ids, classes = found
    values = ids.cpu().numpy().astype(np.int32)
    facts = (picture.pixels, picture.file_name, things)
    return PanopticResult(values, dict(classes), vocabulary, *facts)


def _rles(masks: Tensor, order: Tensor, boxes: Tensor, picture: Picture) -> tuple[Rle, ...]:
    """Return run lengths of masks over the picture (bool) or over each box, one at a time."""
    if not masks.dtype.is_floating_point:
        return tuple(encode_rle(masks[i : i + 1])[0] for i in order.tolist())
    return tuple(paste_rle(masks[order].cpu(), boxes, *picture.size))

"""How well given regions are named, and whether the scores tell objects from background."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ovdet.ops import best_overlap
from ovdet.registry import METRICS
from ovdet.structures import Regions, Sample, Vocabulary


def evaluate_region_names(
    labels: Tensor, scores: Tensor, truth: Tensor, novel: Tensor
) -> dict[str, float]:
    """Return how often regions get their own name, by class group, and what the scores are worth.

    Args:
        labels: [R], int64, the name each region got.
        scores: [R], how sure that name is.
        truth: [R], int64, the class of the object that each region lies on, -1 for background.
        novel: [C], bool.

    Returns:
        ``base/top1``, ``novel/top1`` and ``all/top1``, over the regions on objects; ``auroc``, the
        chance that a region on an object has a higher score than one on background (of equal ones
        half count). All in [0, 1], NaN where there is nothing to count.
    """
    on_object = truth >= 0
    hit = (labels == truth)[on_object]
    held_out = novel[truth[on_object]]
    groups = {"base": hit[~held_out], "novel": hit[held_out], "all": hit}
    figures = {f"{name}/top1": float(group.double().mean()) for name, group in groups.items()}
    return figures | {"auroc": auroc(scores[on_object], scores[~on_object])}


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Return the chance that a positive scores higher than a negative; NaN without either.

    Args:
        positive: [P], scores.
        negative: [N], scores.
    """
    if not (len(positive) and len(negative)):
        return float("nan")
    ranked = negative.sort().values
    below = torch.searchsorted(ranked, positive.contiguous(), right=False)
    not_above = torch.searchsorted(ranked, positive.contiguous(), right=True)
    return float((below + not_above).double().mean() / (2 * len(negative)))


@METRICS.register_module()
class RegionNaming(BaseMetric):  # type: ignore[misc]
    """:func:`evaluate_region_names` over the regions a model was given and named.

    Args:
        iou: From this overlap with an annotated object on a region lies on it.
    """

    default_prefix = "regions"

    def __init__(self, *, iou: float = 0.5) -> None:
        super().__init__()
        self.iou = iou

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Regions]) -> None:
        """Match the named regions of a batch, in px of the stored image, with the truth."""
        for sample, named in zip(data_batch["samples"], data_samples, strict=True):
            if named.labels is None or named.scores is None:
                continue
            objects = sample.to_original(sample.truth.boxes)
            overlap, index = best_overlap(named.boxes.cpu(), objects)
            truth = torch.full_like(index, -1)
            if sample.truth.labels is not None and len(objects):
                truth = torch.where(overlap >= self.iou, sample.truth.labels[index], -1)
            self.results.append((named.labels.cpu(), named.scores.float().cpu(), truth))

    def compute_metrics(self, results: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
        """Return the figures over all regions."""
        labels, scores, truth = (torch.cat(rows) for rows in zip(*results, strict=True))
        facts: dict[str, Any] = self.dataset_meta or {}
        vocabulary: Vocabulary = facts["vocabulary"]
        return evaluate_region_names(labels, scores, truth, torch.tensor(vocabulary.novel_mask))

"""Scores: fusing the probabilities of several heads, and keeping the best. No state."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ovdet.ops.best import best_places
from ovdet.ops.nms import batched_nms
from ovdet.structures import Regions


def fuse_geometric(
    first: Tensor, second: Tensor, novel: Tensor, *, base_share: float, novel_share: float
) -> Tensor:
    """Return a weighted geometric mean, with other weights for novel classes than for base ones.

    Args:
        first: [R, C], in [0, 1].
        second: [R, C], in [0, 1].
        novel: [C], bool.
        base_share: Exponent of ``second`` on base classes, in [0, 1]; ``first`` has the rest.
        novel_share: Exponent of ``second`` on novel classes.

    Returns:
        [R, C], in [0, 1].
    """
    share = torch.where(novel, novel_share, base_share).to(first.dtype)  # [C]
    return first.clamp(min=1e-12) ** (1 - share) * second.clamp(min=1e-12) ** share


def temper(scores: Tensor, temperature: float) -> Tensor:
    """Return scores whose logits are divided by a temperature; their order stays.

    Args:
        scores: In [0, 1], which 0, 1/2 and 1 stay in place of.
        temperature: Above 0; 1 returns the scores themselves.
    """
    if temperature == 1:
        return scores
    logits: Tensor = torch.special.logit(scores.double())
    return (logits / temperature).sigmoid().to(scores.dtype)


def best_pairs(regions: Regions, scores: Tensor, threshold: float, count: int) -> Regions:
    """Return the ``count`` best (region, class) pairs above a threshold as labelled regions.

    Args:
        regions: R boxes of one image.
        scores: [R, C].
        threshold: Least score.
        count: Most pairs.

    Returns:
        Regions with scores and labels, best first; equal ones by region, then by class.
    """
    flat, classes = scores.flatten(), max(scores.shape[1], 1)
    index = best_places(flat, count, threshold)
    return regions[index // classes].with_(scores=flat[index], labels=index % classes)


def join_best(parts: Sequence[Regions], count: int) -> Regions:
    """Return the ``count`` best labelled regions of several parts of one image, best first.

    Equal scores come in the order of the parts; the owner becomes 0.
    """
    joined = Regions.gather(parts)
    return suppress(joined.with_(owner=torch.zeros_like(joined.owner)), None, count)


def worst_of(best: Regions, count: int, threshold: float) -> float:
    """Return the score above which a further region would be among the ``count`` best.

    Args:
        best: The best so far, with scores, best first.
        count: Most regions.
        threshold: Least score while there are fewer.
    """
    if best.scores is None or len(best) < count:
        return threshold
    return max(threshold, float(best.scores[count - 1]))


def suppress(regions: Regions, nms: float | None, top: int) -> Regions:
    """Return the best labelled regions of one image, without those a better one covers.

    Args:
        regions: With scores and labels.
        nms: Overlap above which the lower-scored box of the same class is dropped; None drops none.
        top: Most boxes kept.

    Returns:
        At most ``top`` regions, best first.

    Raises:
        ValueError: If the regions have no scores or labels.
    """
    if regions.scores is None or regions.labels is None:
        raise ValueError("regions must have scores and labels to be suppressed, got none")
    if nms is None:
        return regions[regions.scores.argsort(descending=True, stable=True)[:top]]
    return regions[batched_nms(regions.boxes, regions.scores, regions.labels, nms, top=top)]

"""Choosing among boxes at fixed sizes, so that a graph needs no shape it learns while it runs.

Shapes: B images, N candidates, K kept.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.ops import batched_nms

NOTHING = -torch.inf
"""The score of a place that is filled up; real ones are above it."""


def within(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Return boxes [B, R, 4] clipped to pictures of ``sizes`` [B, 2], (height, width), px."""
    limits = sizes.flip(1).repeat(1, 2).to(boxes.dtype)
    return boxes.clamp(min=0).minimum(limits[:, None])


def best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the best scores of each row and where they stand, best first.

    Args:
        scores: [B, N], ``NOTHING`` where there is none; N may be below ``count``.
        count: K.

    Returns:
        Scores [B, K], filled up with ``NOTHING``, and places [B, K], int64, 0 for what fills up.
    """
    kept, index = F.pad(scores, (0, count), value=NOTHING).topk(count, dim=1)
    return kept, torch.where(kept > NOTHING, index, 0)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """Return [B, K, d] of [B, N, d] at places [B, K]."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def area(boxes: Tensor) -> Tensor:
    """Return the areas [...] of boxes [..., 4], px²; turned boxes count as 0."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


@torch.library.custom_op(
    "ovdet::apart",
    mutates_args=(),
    schema="(Tensor boxes, Tensor? groups, Tensor real, float threshold) -> Tensor",
)
def apart(boxes: Tensor, groups: Tensor | None, real: Tensor, threshold: float) -> Tensor:
    """Return which boxes no better one of their group overlaps too much, [B, N], bool.

    Args:
        boxes: [B, N, 4], xyxy, best first.
        groups: [B, N], int64, at least 0; one group an image where None.
        real: [B, N], bool; the others neither stay nor suppress.
        threshold: Overlap above which the worse box goes, in [0, 1].
    """
    stay = torch.zeros_like(real)
    for image, own in enumerate(real):
        places = own.nonzero().flatten()
        ranks = torch.arange(len(places), 0, -1, device=boxes.device)
        labels = torch.zeros_like(places) if groups is None else groups[image, places]
        kept = batched_nms(boxes[image, places], ranks.float(), labels, threshold)
        stay[image, places[kept]] = True
    return stay


@apart.register_fake
def _(boxes: Tensor, groups: Tensor | None, real: Tensor, threshold: float) -> Tensor:  # noqa: ARG001
    return torch.empty_like(real)

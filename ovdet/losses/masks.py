"""Losses of masks, each a row of pixels or points; row by row, or every one with every one."""

import torch
from torch import Tensor

from ovdet.losses.classification import sigmoid_focal


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - (2 overlap + 1) / (both areas + 1) of each row (Milletari et al., 3DV 2016).

    Args:
        logits: [N, P].
        targets: [N, P], in [0, 1].

    Returns:
        [N], in [0, 1), at least float32.
    """
    masks, targets = logits.float().sigmoid(), targets.float()
    overlap = (masks * targets).sum(dim=1)
    return 1 - (2 * overlap + 1) / (masks.sum(dim=1) + targets.sum(dim=1) + 1)


def pair_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """Return :func:`dice_loss` of each row of logits [Q, P] with each of targets [M, P]: [Q, M]."""
    masks, targets = logits.float().sigmoid(), targets.float()
    areas = masks.sum(dim=1)[:, None] + targets.sum(dim=1)
    return 1 - (2 * masks @ targets.T + 1) / (areas + 1)


def pair_focal(
    logits: Tensor, targets: Tensor, *, alpha: float | None = 0.25, gamma: float = 2.0
) -> Tensor:
    """Return the mean focal loss of each row of logits with each row of targets.

    Args:
        logits: [Q, P].
        targets: [M, P], in [0, 1].
        alpha: As for :func:`~ovdet.losses.sigmoid_focal`; None with ``gamma`` 0 is the plain cross
            entropy.
        gamma: Likewise.

    Returns:
        [Q, M], at least float32.
    """
    inside = sigmoid_focal(logits, torch.ones_like(logits), alpha=alpha, gamma=gamma)
    outside = sigmoid_focal(logits, torch.zeros_like(logits), alpha=alpha, gamma=gamma)
    targets = targets.float()
    return (inside @ targets.T + outside @ (1 - targets).T) / logits.shape[1]

"""Losses of logits against labels that do not exclude each other."""

import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal(
    logits: Tensor, targets: Tensor, *, alpha: float | None = 0.25, gamma: float = 2.0
) -> Tensor:
    """Return the binary cross entropy of each logit, less of it the surer the answer is right.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, Eq. 5.

    Args:
        logits: Of any shape.
        targets: Of the same shape, in [0, 1].
        alpha: Weight of a positive, 1 - alpha that of a negative, in [0, 1]; None weighs both 1.
        gamma: How fast a sure answer's loss falls, at least 0; 0 is the plain cross entropy.

    Returns:
        Of the same shape, not summed, at least float32.
    """
    logits, targets = logits.float(), targets.float()
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability = logits.sigmoid()
    wrong = probability + targets - 2 * probability * targets  # 1 - p where t = 1, p where t = 0
    loss = entropy * wrong**gamma
    if alpha is None:
        return loss
    return loss * (alpha * targets + (1 - alpha) * (1 - targets))

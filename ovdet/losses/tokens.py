"""Focal loss of places against tokens."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS


@MODELS.register_module()
class TokenFocal(nn.Module):
    """Sigmoid focal loss (RetinaNet, Lin 2017, Eq. 5) summed over the tokens that are asked for.

    With soft targets in [0, 1] both terms are taken in proportion.

    Args:
        alpha: Weight of what is positive, in [0, 1]; the rest has 1 - alpha.
        gamma: Exponent that makes easy answers count little.

    Raises:
        ValueError: If ``alpha`` lies outside [0, 1].
    """

    def __init__(self, *, alpha: float = 0.25, gamma: float = 2.0) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
        self.alpha = alpha
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor, asked: Tensor) -> Tensor:
        """Return the sum.

        Args:
            logits: [B, P, N].
            targets: [B, P, N], in [0, 1].
            asked: [B, N], bool, which tokens count in which image.
        """
        logits, targets = logits.float(), targets.float()
        entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        probability = logits.sigmoid()
        missed = probability + targets - 2 * probability * targets  # 1 - p of the right answer
        weight = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        loss = weight * missed**self.gamma * entropy
        total: Tensor = torch.where(asked[:, None], loss, 0.0).sum()
        return total

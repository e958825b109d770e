"""Losses of logits against labels: those that do not exclude each other, and those of pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import IGNORED


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


@MODELS.register_module()
class PixelCrossEntropy(nn.Module):
    """Softmax cross entropy of all labelled pixels of a batch, each weighing the same.

    Args:
        weight: Multiplies the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self, logits: Tensor, labels: Tensor, asked: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return ``loss_pixel``; 0, still on the graph, where no pixel is labelled.

        Args:
            logits: [B, C, H, W].
            labels: [B, H, W], int64, ``IGNORED`` where there is none.
            asked: [B, C], True where an image is asked for a class; the others are left out of
                its softmax, and their pixels out of the loss. None where all are for all.
        """
        logits = logits.float()
        if asked is not None:
            known = F.pad(asked, (0, 1)).gather(1, labels.flatten(1) % (asked.shape[1] + 1))
            labels = labels.masked_fill(~known.view_as(labels), IGNORED)
        if not bool((labels != IGNORED).any()):
            return {"loss_pixel": logits.sum() * 0}
        if asked is not None:  # finite: of minus infinity alone the gradient is no number
            hidden = torch.finfo(logits.dtype).min
            logits = logits.masked_fill(~asked[:, :, None, None], hidden)
        loss = F.cross_entropy(logits, labels, ignore_index=IGNORED)
        return {"loss_pixel": self.weight * loss}

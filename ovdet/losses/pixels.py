"""Losses of maps that are asked one name at a time."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import IGNORED


@MODELS.register_module()
class PixelBinaryCrossEntropy(nn.Module):
    """Sigmoid cross entropy of each name an image is asked for: its pixels, and all others.

    Args:
        weight: Multiplies the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self, logits: Tensor, labels: Tensor, asked: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return ``loss_pixel``, the mean over names asked and labelled pixels.

        Where there are none it is 0, still on the graph.

        Args:
            logits: [B, C, H, W].
            labels: [B, H, W], int64, ``IGNORED`` where there is none.
            asked: [B, C], True where an image is asked for a name; None where all are for all.
        """
        if asked is None:
            asked = torch.ones(logits.shape[:2], dtype=torch.bool, device=logits.device)
        image, place = asked.nonzero().unbind(dim=1)  # [P] each
        truth = labels[image]  # [P, H, W]
        known = truth != IGNORED
        if not bool(known.any()):
            return {"loss_pixel": logits.sum() * 0}
        targets = (truth == place[:, None, None]).float()
        loss = F.binary_cross_entropy_with_logits(
            logits[image, place].float()[known], targets[known]
        )
        return {"loss_pixel": self.weight * loss}

"""Losses of pictures whose objects nobody has boxed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.losses.gathering import gather_rows
from ovdet.registry import MODELS


@MODELS.register_module()
class InBatchBce(nn.Module):
    """Each pair of picture and text asked by itself whether they belong together.

    Across processes every picture is compared with the texts of all.

    Args:
        negative_weight: Of the pairs that do not, relative to those that do.
    """

    def __init__(self, *, negative_weight: float = 1.0) -> None:
        super().__init__()
        self.negative_weight = negative_weight

    def forward(self, images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
        """Return the binary cross entropy, a sum over texts and a mean over pictures.

        Args:
            images: [B, D], unit norm; row i belongs to row i of ``texts``.
            texts: [B, D], unit norm.
            scale: Inverse temperature, a scalar.
        """
        wide = torch.promote_types(images.dtype, torch.float32)
        images, texts = images.to(wide), texts.to(wide)
        all_texts, start = gather_rows(texts)
        own = torch.arange(len(images), device=images.device) + start
        with torch.autocast(images.device.type, enabled=False):
            logits = scale * images @ all_texts.T
            wanted = (own[:, None] == torch.arange(len(all_texts), device=own.device)).to(wide)
            each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        weights = torch.where(wanted > 0, 1.0, self.negative_weight)
        return (weights * each).sum() / max(len(images), 1)

"""Contrastive losses between two sets of embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.losses.gathering import gather_rows
from ovdet.registry import MODELS


@MODELS.register_module()
class InfoNce(torch.nn.Module):
    """Symmetric softmax over a batch of pairs (CLIP, Radford 2021, Fig. 3).

    Across processes, features are gathered with their gradients and each process scores its own
    rows against all of them; the gradient, averaged over processes, is that of one big batch.
    """

    def forward(self, images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
        """Return the mean of both directions' cross entropies.

        Args:
            images: [B, D], unit norm; row i belongs to row i of ``texts``.
            texts: [B, D], unit norm.
            scale: Inverse temperature, a scalar.
        """
        wide = torch.promote_types(images.dtype, torch.float32)  # scores up to 100 need all bits
        images, texts = images.to(wide), texts.to(wide)
        (all_images, start), (all_texts, _) = gather_rows(images), gather_rows(texts)
        target = torch.arange(len(images), device=images.device) + start
        with torch.autocast(images.device.type, enabled=False):
            by_image = F.cross_entropy(scale * images @ all_texts.T, target)
            by_text = F.cross_entropy(scale * texts @ all_images.T, target)
        return (by_image + by_text) / 2

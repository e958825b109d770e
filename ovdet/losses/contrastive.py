"""Contrastive losses between two sets of embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor

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
        all_images, all_texts, start = _gather(images, texts)
        target = torch.arange(len(images), device=images.device) + start
        with torch.autocast(images.device.type, enabled=False):
            by_image = F.cross_entropy(scale * images @ all_texts.T, target)
            by_text = F.cross_entropy(scale * texts @ all_images.T, target)
        return (by_image + by_text) / 2


def _gather(images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor, int]:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not distributed or torch.distributed.get_world_size() == 1:
        return images, texts, 0
    from torch.distributed.nn.functional import all_gather

    start = torch.distributed.get_rank() * len(images)
    rows = [torch.cat(all_gather(x)) for x in (images, texts)]  # type: ignore[no-untyped-call]
    return rows[0], rows[1], start

"""A CLIP tower whose last attention is another encoder's: it knows names, the other one places.

Lan et al., "ProxyCLIP: Proxy Attention Improves CLIP for Open-Vocabulary Segmentation", ECCV 2024,
https://arxiv.org/abs/2408.04883, Sec. 3.2. Shapes: B images, H W px, h w places of the proxy's
level, P = h * w, c width, D embedding width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.vision.clip_vit import as_map
from ovdet.vision.frozen import Frozen


@MODELS.register_module()
class ProxyTower(nn.Module):
    """One dense level of a ViT's values, mixed as the places of a proxy's level are alike.

    Args:
        tower: A ``ClipVit`` or ``SmallVit``.
        proxy: A trunk, [B, 3, H, W] to levels. Frozen here.
        level: Which of the proxy's levels is read, counted as a list's.
        sharpness: gamma: what the similarities are multiplied by before the softmax.
        cut: beta: places less alike than this many times the picture's mean do not see each other.

    Attributes:
        stride: The tower's, px.

    Raises:
        ValueError: If ``sharpness`` is not positive.
    """

    def __init__(
        self,
        tower: nn.Module,
        proxy: nn.Module,
        *,
        level: int = -1,
        sharpness: float = 3.0,
        cut: float = 1.2,
    ) -> None:
        super().__init__()
        if sharpness <= 0:
            raise ValueError(f"sharpness must be positive, got {sharpness}")
        known: Any = tower
        self.tower = known
        self.proxy = Frozen(proxy)
        self.level = level
        self.sharpness = sharpness
        self.cut = cut
        self.stride: int = known.stride

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return one level [B, D, h, w] of the proxy's grid, unit norm at each place.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; both encoders centre them themselves.
        """
        features: Tensor = self.proxy(images)[self.level]
        tokens, grid = self.tower.before_last(images)
        block = self.tower.resblocks[-1]
        _, _, values = block.attn.split(block.ln_1(tokens))
        maps = as_map(values.transpose(1, 2).flatten(2), grid)  # [B, c, ...], all heads in a row
        size = (features.shape[-2], features.shape[-1])
        maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
        mixed = proxy_attention(features, self.sharpness, self.cut) @ maps.flatten(2).mT
        read = self.tower.project(block.attn.out_proj(mixed))
        return [unit_norm(read).mT.reshape(len(read), -1, *size)]


def proxy_attention(features: Tensor, sharpness: float, cut: float) -> Tensor:
    """Return how much each place attends to each: [B, P, P], rows sum to 1.

    Args:
        features: [B, c, h, w].
        sharpness: As for ``ProxyTower``.
        cut: Likewise.
    """
    places = unit_norm(features.flatten(2).mT)
    alike = places @ places.mT
    mean = alike.mean(dim=(1, 2), keepdim=True)  # of each picture: others do not matter to it
    logits = sharpness * (alike - cut * mean)
    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    # A place always sees itself: where all places are alike nothing would be left of its row.
    return logits.masked_fill((logits < 0) & ~itself, float("-inf")).softmax(dim=-1)

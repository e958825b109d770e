"""From a trunk's levels to what masks are made of: an embedding a pixel, and levels to look into.

Shapes: B images, c channels, d width, h w of a level.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.heads.queries import EncoderLayer, Memory
from ovdet.ops.attention import grid_encoding
from ovdet.registry import MODELS


@dataclass
class MaskFeatures:
    """What mask queries are compared with and what they look into.

    Attributes:
        pixels: [B, d, h, w]; a query's mask is its product with them.
        levels: Maps [B, c, h, w], finest first.
    """

    pixels: Tensor
    levels: list[Tensor]


def _conv(inputs: int, width: int, side: int, *, bias: bool = False) -> nn.Sequential:
    conv = nn.Conv2d(inputs, width, side, padding=side // 2, bias=bias)
    return nn.Sequential(conv, nn.GroupNorm(math.gcd(32, width), width))


@MODELS.register_module()
class PyramidPixels(nn.Module):
    """A feature pyramid with group norms, read at its finest level (MaskFormer, App. A).

    Cheng et al., "Per-Pixel Classification is Not All You Need for Semantic Segmentation",
    NeurIPS 2021, https://arxiv.org/abs/2107.06278. Queries look into the trunk's last level.

    Args:
        widths: Channels of the trunk's levels, finest first.
        width: d.
    """

    def __init__(self, widths: Sequence[int], width: int = 256) -> None:
        super().__init__()
        *finer, last = widths
        self.stem = nn.Sequential(_conv(last, width, 3), nn.ReLU())
        self.bring = nn.ModuleList(_conv(inputs, width, 1) for inputs in finer)
        self.mix = nn.ModuleList(nn.Sequential(_conv(width, width, 3), nn.ReLU()) for _ in finer)
        self.project = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> MaskFeatures:
        """Return pixels of the finest level's size, of levels [B, c, h, w], finest first."""
        x = self.stem(levels[-1])
        steps = zip(self.bring, self.mix, levels[:-1], strict=True)
        for bring, mix, level in reversed(list(steps)):
            x = mix(bring(level) + F.interpolate(x, level.shape[-2:], mode="nearest"))
        return MaskFeatures(self.project(x), [levels[-1]])


@MODELS.register_module()
class DeformablePixels(nn.Module):
    """The coarse levels look at each other, the finer ones join them (Mask2Former, Cheng 2022).

    Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022,
    https://arxiv.org/abs/2112.01527, Sec. 3.2.1 and 4.1: attention of Deformable DETR among
    ``levels`` levels, then a pyramid to the finest. Queries look into the levels after attention.

    Args:
        widths: Channels of the trunk's levels, finest first; more of them than ``levels``.
        width: d; 4 divides it.
        levels: Levels that look at each other, the coarsest ones.
        layers: Layers of attention.
        heads: Of attention.
        points: Points read a level and head.
        hidden: Of the feed-forward parts.

    Raises:
        ValueError: If there is no level finer than those that look at each other.
    """

    def __init__(
        self,
        widths: Sequence[int],
        width: int = 256,
        *,
        levels: int = 3,
        layers: int = 6,
        heads: int = 8,
        points: int = 4,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        if not 1 <= levels < len(widths):
            raise ValueError(f"levels must be 1 to {len(widths) - 1} of the trunk's, got {levels}")
        finer, coarse = widths[:-levels], widths[-levels:]
        self.bring_coarse = nn.ModuleList(_conv(inputs, width, 1, bias=True) for inputs in coarse)
        self.level_address = nn.Parameter(torch.randn(levels, width))
        size = {"heads": heads, "levels": levels, "points": points}
        self.layers = nn.ModuleList(EncoderLayer(width, hidden, **size) for _ in range(layers))
        self.bring = nn.ModuleList(_conv(inputs, width, 1) for inputs in finer)
        self.mix = nn.ModuleList(nn.Sequential(_conv(width, width, 3), nn.ReLU()) for _ in finer)
        self.project = nn.Conv2d(width, width, 1)

    def forward(self, levels: list[Tensor]) -> MaskFeatures:
        """Return pixels of the finest level's size, of levels [B, c, h, w], finest first."""
        count = len(self.bring_coarse)
        coarse = self._attend(levels[-count:])
        x = coarse[0]
        steps = zip(self.bring, self.mix, levels[:-count], strict=True)
        for bring, mix, level in reversed(list(steps)):
            larger = F.interpolate(x, level.shape[-2:], mode="bilinear", align_corners=False)
            x = mix(bring(level) + larger)
        return MaskFeatures(self.project(x), coarse)

    def _attend(self, levels: list[Tensor]) -> list[Tensor]:
        maps = [bring(level) for bring, level in zip(self.bring_coarse, levels, strict=True)]
        shapes = [(one.shape[2], one.shape[3]) for one in maps]
        tokens = torch.cat([one.flatten(2).transpose(1, 2) for one in maps], dim=1)
        width = tokens.shape[-1]
        places = zip(shapes, self.level_address, strict=True)
        addresses = torch.cat([grid_encoding(*s, width, tokens.device) + own for s, own in places])
        memory = Memory(tokens, shapes)
        for layer in self.layers:
            memory = layer(memory, addresses)
        parts = torch.split(memory.tokens, [h * w for h, w in shapes], dim=1)
        own = zip(parts, shapes, strict=True)
        return [part.transpose(1, 2).reshape(len(part), width, *shape) for part, shape in own]


@MODELS.register_module()
class PixelTrunk(nn.Module):
    """A trunk with a pixel decoder behind it, for heads that name pixels instead of masks.

    Args:
        trunk: [B, 3, H, W] to levels, finest first.
        pixels: Levels to ``MaskFeatures``; its pixels are the one level that comes out.
    """

    def __init__(self, trunk: nn.Module, pixels: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.pixels = pixels

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return one level [B, d, h, w]."""
        return [self.pixels(self.trunk(images)).pixels]

"""A dynamic head's block: attention over levels, over places and over channels.

Dai et al., "Dynamic Head: Unifying Object Detection Heads with Attentions", CVPR 2021,
https://arxiv.org/abs/2106.08322, Sec. 3. Shapes: B images, c channels of every level.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS


@MODELS.register_module()
class DynamicBlock(nn.Module):
    """One block: each level gathers itself and its neighbours where its own offsets say.

    A coarser neighbour is brought to the level's size before it is sampled, so that the offsets
    fit; the authors' code samples it at its own size with offsets made for another.

    Args:
        width: c.
        groups: Of the group norms.
    """

    def __init__(self, width: int, *, groups: int = 16) -> None:
        super().__init__()
        self.offset = nn.Conv2d(width, 27, 3, padding=1)  # 9 pairs (dy, dx), 9 weights
        self.finer, self.same, self.coarser = (
            _Deformable(width, stride, groups) for stride in (2, 1, 1)
        )
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, 1, 1), nn.ReLU(), nn.Hardsigmoid()
        )
        self.task = _DynamicRelu(width)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Map levels [B, c, h, w] to levels of the same shapes."""
        return [self._level(levels, index) for index in range(len(levels))]

    def _level(self, levels: list[Tensor], index: int) -> Tensor:
        level = levels[index]
        offset, weight = self.offset(level).split([18, 9], dim=1)
        weight = weight.sigmoid()
        found = [self.same(level, offset, weight)]
        if index > 0:
            found.append(self.finer(levels[index - 1], offset, weight))
        if index + 1 < len(levels):
            size = level.shape[-2:]
            grown = F.interpolate(levels[index + 1], size, mode="bilinear", align_corners=True)
            found.append(self.coarser(grown, offset, weight))
        joined = torch.stack([self.weigh(one) * one for one in found]).mean(dim=0)
        out: Tensor = self.task(joined)
        return out


class _Deformable(nn.Module):
    """A modulated deformable 3x3 convolution (DCNv2, Zhu 2019) and a group norm."""

    def __init__(self, width: int, stride: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width, 3, 3))
        self.norm = nn.GroupNorm(groups, width)
        self.stride = stride
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, level: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        from torchvision.ops import deform_conv2d

        with torch.autocast(level.device.type, enabled=False):
            sampled = deform_conv2d(
                level.float(),
                offset.float(),
                self.weight.float(),
                stride=self.stride,
                padding=1,
                mask=weight.float(),
            )
        normed: Tensor = self.norm(sampled)
        return normed


class _DynamicRelu(nn.Module):
    """The larger of two lines of each channel, drawn by what the whole level holds (Chen 2020)."""

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        inner = max(1, width // reduction)
        self.lines = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, 4 * width, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        slope, shift, other_slope, other_shift = (self.lines(x) - 0.5).chunk(4, dim=1)
        return torch.maximum(x * (2 * slope + 1) + shift, x * 2 * other_slope + other_shift)

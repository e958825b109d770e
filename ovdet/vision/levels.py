"""Fewer levels of a trunk, or more."""

import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS


@MODELS.register_module()
class LastLevels(nn.Module):
    """The coarsest levels of a trunk, where the finest ones cost more than they tell.

    Args:
        trunk: [B, 3, H, W] to levels; has ``widths``.
        count: Levels kept.

    Raises:
        ValueError: If the trunk has not that many levels.
    """

    def __init__(self, trunk: nn.Module, *, count: int) -> None:
        super().__init__()
        widths: tuple[int, ...] = trunk.widths  # type: ignore[assignment]
        if not 1 <= count <= len(widths):
            raise ValueError(f"count must be 1 to {len(widths)} levels, got {count}")
        self.trunk = trunk
        self.count = count
        self.widths = tuple(widths[-count:])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return levels [B, c, h, w], finest first."""
        levels: list[Tensor] = self.trunk(images)[-self.count :]
        return levels


@MODELS.register_module()
class CoarserLevels(nn.Module):
    """Levels coarser than a pyramid's last one, each by a convolution of stride 2 (RetinaNet).

    Args:
        trunk: [B, 3, H, W] to levels of one width; has ``width``.
        count: Levels added.

    Attributes:
        width: c, channels of every level.
    """

    def __init__(self, trunk: nn.Module, *, count: int = 2) -> None:
        super().__init__()
        self.trunk = trunk
        self.width: int = trunk.width  # type: ignore[assignment]
        self.steps = nn.ModuleList(nn.Conv2d(self.width, self.width, 3, 2, 1) for _ in range(count))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return levels [B, c, h, w], finest first."""
        levels: list[Tensor] = list(self.trunk(images))
        for place, step in enumerate(self.steps):
            levels.append(step(levels[-1].relu() if place else levels[-1]))
        return levels


@MODELS.register_module()
class MergedLevels(nn.Module):
    """All levels of a pyramid added up on the finest one's grid (Panoptic FPN, Kirillov 2019).

    Args:
        trunk: [B, 3, H, W] to levels of one width; has ``width``.

    Attributes:
        width: c.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.width: int = trunk.width  # type: ignore[assignment]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return one level [B, c, h, w], the mean of all."""
        finest, *others = self.trunk(images)
        merged = finest
        for level in others:
            size = (finest.shape[-2], finest.shape[-1])
            merged = merged + F.interpolate(level, size, mode="bilinear", align_corners=False)
        return [merged / (1 + len(others))]

"""Fewer levels of a trunk."""

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

"""Every place of a picture in the space of the text.

Shapes: B images, H W px, h w places, c channels, D embedding width.
"""

from typing import Any

from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS


@MODELS.register_module()
class PlaceEncoder(nn.Module):
    """A trunk's last level, each of its places projected; the whole picture is their mean.

    Args:
        trunk: [B, 3, H, W] to levels; the last one is read. Has ``widths``, or ``dim``.
        dim: D, into which a linear map brings each place; None where the last level is in the
            space of the text already, of the trunk's own ``dim`` (``ClipVit``).

    Attributes:
        dim: D.
    """

    def __init__(self, trunk: nn.Module, *, dim: int | None = None) -> None:
        super().__init__()
        own: Any = trunk
        self.trunk = trunk
        self.project = nn.Identity() if dim is None else nn.Conv2d(own.widths[-1], dim, 1)
        self.dim: int = own.dim if dim is None else dim

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W], RGB in [0, 1], to [B, D], unit norm: the mean before any norm."""
        return unit_norm(self._projected(images).mean(dim=(2, 3)))

    def places(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W], RGB in [0, 1], to [B, D, h, w], unit norm at each place."""
        return unit_norm(self._projected(images).movedim(1, -1)).movedim(-1, 1)

    def _projected(self, images: Tensor) -> Tensor:
        projected: Tensor = self.project(self.trunk(images)[-1])
        return projected

"""A feature pyramid over a trunk's levels."""

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from ovdet.registry import MODELS


@MODELS.register_module()
class PyramidTrunk(nn.Module):
    """A trunk followed by a feature pyramid (FPN, Lin 2017, Sec. 3), torchvision's.

    Args:
        trunk: [B, 3, H, W] to levels; has ``widths``.
        width: c, channels of every level.
        extra: Whether a coarser level is added by max pooling.
    """

    def __init__(self, trunk: nn.Module, *, width: int = 64, extra: bool = False) -> None:
        super().__init__()
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

        self.trunk = trunk
        block = LastLevelMaxPool() if extra else None
        self.pyramid = FeaturePyramidNetwork(list(trunk.widths), width, block)  # type: ignore[arg-type]
        self.width = width

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return levels [B, c, h, w], finest first."""
        named = {str(i): level for i, level in enumerate(self.trunk(images))}
        return list(self.pyramid(named).values())

"""A frozen image tower as a detector's trunk.

Shapes: B images, H W px, c channels.
"""

from typing import Any

from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.vision.frozen import Frozen


@MODELS.register_module()
class TowerPyramid(nn.Module):
    """A pyramid that learns on a frozen tower's levels, then the tower's last level as it is.

    The tower runs once a picture, without a graph: what finds objects and what names them read the
    same maps (F-VLM, Kuo 2023, Fig. 2).

    Args:
        trunk: The tower, [B, 3, H, W] to levels, finest first. Has ``widths``, the c of each level
            that the pyramid reads; one more level, as a dense readout, is only passed on. Frozen.
        width: Channels of the pyramid's levels.
        extra: Whether the pyramid gets a coarser level by max pooling.
    """

    def __init__(self, trunk: nn.Module, *, width: int = 64, extra: bool = False) -> None:
        super().__init__()
        from torchvision.ops import FeaturePyramidNetwork
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

        widths: Any = trunk.widths
        self.reads = len(widths)
        self.trunk = Frozen(trunk)
        block = LastLevelMaxPool() if extra else None
        self.pyramid = FeaturePyramidNetwork(list(widths), width, block)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the pyramid's levels, finest first, then the tower's last one, without a graph.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the tower normalises them itself.
        """
        levels: list[Tensor] = self.trunk(images)
        named = {str(i): level for i, level in enumerate(levels[: self.reads])}
        return [*self.pyramid(named).values(), levels[-1]]

"""Regions to embeddings: RoI align, convolutions, a projection into the text space.

Shapes: R regions, c channels, S pooled side, F hidden width, D embedding width.
"""

from torch import Tensor, nn

from ovdet.ops import pool_regions, unit_norm
from ovdet.registry import MODELS
from ovdet.structures import Regions


@MODELS.register_module()
class RoiEmbedder(nn.Module):
    """Pooled features through convolutions and two linear maps (ViLD, Gu 2022, Sec. 3.2).

    Args:
        width: c, channels of the levels.
        dim: D.
        hidden: F.
        convs: 3x3 convolutions before the first linear map.
        size: S.
    """

    def __init__(
        self, width: int, dim: int, *, hidden: int = 256, convs: int = 1, size: int = 7
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(convs):
            conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = nn.Sequential(nn.Linear(width * size * size, hidden), nn.ReLU())
        self.project = nn.Linear(hidden, dim)
        self.size = size

    def hidden(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, F], what the box head reads too.

        Args:
            levels: [B, c, h, w] each, finest first.
            regions: R boxes.
            image_size: Longer side of the network input, px.
        """
        pooled = pool_regions(levels, regions, self.size, image_size)
        features: Tensor = self.linear(self.convs(pooled).flatten(1))
        return features

    def embed(self, hidden: Tensor) -> Tensor:
        """Map [R, F] to [R, D], unit norm."""
        return unit_norm(self.project(hidden))

    def forward(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, D], unit norm."""
        return self.embed(self.hidden(levels, regions, image_size))

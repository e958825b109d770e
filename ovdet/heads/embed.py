"""Regions to embeddings: RoI align, convolutions, a projection into the text space.

Shapes: R regions, c channels, S pooled side, F hidden width, D embedding width.
"""

import torch
from torch import Tensor, nn

from ovdet.ops import pyramid_roi_align, unit_norm
from ovdet.registry import MODELS
from ovdet.structures import Regions
from ovdet.vision import Frozen
from ovdet.vision.mobilenet import mobilenet_blocks


@MODELS.register_module()
class RoiEmbedder(nn.Module):
    """Pooled features through convolutions, linear maps and a projection (ViLD, Gu 2022, Sec. 3.2).

    Args:
        width: c, channels of the levels.
        dim: D.
        hidden: F.
        convs: 3x3 convolutions before the first linear map.
        size: S.
        samples: Points read a cell and axis when pooling.
        levels: How many of the levels it reads, from the finest; None reads all.
        linears: Linear maps, each to F, before the projection.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        *,
        hidden: int = 256,
        convs: int = 1,
        size: int = 7,
        samples: int = 2,
        levels: int | None = None,
        linears: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(convs):
            conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        self.convs = nn.Sequential(*layers)
        maps: list[nn.Module] = [nn.Linear(width * size * size, hidden), nn.ReLU()]
        for _ in range(linears - 1):
            maps += [nn.Linear(hidden, hidden), nn.ReLU()]
        self.linear = nn.Sequential(*maps)
        self.project = nn.Linear(hidden, dim)
        self.size = size
        self.samples = samples
        self.levels = levels

    def hidden(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, F], what the box head reads too.

        Args:
            levels: [B, c, h, w] each, finest first.
            regions: R boxes.
            image_size: Longer side of the network input, px.
        """
        read = levels[: self.levels]
        pooled = pyramid_roi_align(read, regions, self.size, image_size, self.samples)
        features: Tensor = self.linear(self.convs(pooled).flatten(1))
        return features

    def embed(self, hidden: Tensor) -> Tensor:
        """Map [R, F] to [R, D], unit norm."""
        return unit_norm(self.project(hidden))

    def forward(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, D], unit norm."""
        return self.embed(self.hidden(levels, regions, image_size))


@MODELS.register_module()
class TowerEmbedder(nn.Module):
    """A region as a frozen image tower's own pooling sees the tower's map of it.

    The trunk's last level is the tower's, of the whole picture, so that one pass of the tower
    serves all regions (F-VLM, Kuo 2023, Sec. 3.3). Nothing here learns.

    Args:
        pool: [R, c, S, S] to [R, D], the tower's. None where the level is a dense readout
            [B, D, h, w] already (a ViT's projected tokens): its cells are averaged.
        size: S, the side of the map that the pooling was trained on; 1 for a dense readout.
        samples: Points read a cell and axis when pooling.
    """

    def __init__(self, pool: nn.Module | None = None, *, size: int = 1, samples: int = 2) -> None:
        super().__init__()
        self.pool = None if pool is None else Frozen(pool)
        self.size = size
        self.samples = samples

    @torch.no_grad()
    def forward(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, D], unit norm, read from the last of the levels."""
        pooled = pyramid_roi_align(levels[-1:], regions, self.size, image_size, self.samples)
        if self.pool is None:
            return unit_norm(pooled.mean(dim=(2, 3)))
        return unit_norm(self.pool(pooled))


@MODELS.register_module()
class MobileNetEmbedder(nn.Module):
    """A region as MobileNetV2 sees a picture of its own: the later blocks run on each region.

    The trunk's last level of ``levels`` is its own finest one (stride 8, 32 channels), and what a
    classifier of whole pictures has learnt carries over (as the fifth stage of Faster R-CNN's
    ResNet head does, He 2016, App. A).

    Args:
        dim: D.
        size: S, even; the blocks see S x S cells and leave S / 4 x S / 4.
    """

    def __init__(self, dim: int, *, size: int = 12) -> None:
        super().__init__()
        self.blocks = mobilenet_blocks(7, 17)
        self.last = nn.Sequential(nn.Conv2d(320, 1280, 1), nn.ReLU6())
        self.project = nn.Linear(1280, dim)
        self.size = size

    def hidden(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, 320 * cells], what the box head reads too."""
        pooled = pyramid_roi_align(levels[-1:], regions, self.size, image_size)
        if len(regions) == 0:  # a convolution of nothing has no cells
            return pooled.new_zeros(0, 320 * (-(-self.size // 4)) ** 2)
        features: Tensor = self.blocks(pooled)
        return features.flatten(1)

    def embed(self, hidden: Tensor) -> Tensor:
        """Map [R, 320 * cells] to [R, D], unit norm."""
        side = -(-self.size // 4)
        cells = self.last(hidden.view(len(hidden), 320, side, side))
        return unit_norm(self.project(cells.mean(dim=(2, 3))))

    def forward(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, D], unit norm."""
        return self.embed(self.hidden(levels, regions, image_size))

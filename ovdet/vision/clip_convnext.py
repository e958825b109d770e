"""ConvNeXt as CLIP's image tower, as open_clip trains it: all cells' mean, a norm, a projection.

Liu et al., "A ConvNet for the 2020s", CVPR 2022, https://arxiv.org/abs/2201.03545; how its last map
answers to names place by place: Yu et al., "Convolutions Die Hard" (FC-CLIP), NeurIPS 2023,
https://arxiv.org/abs/2308.02487. Shapes: B images, R regions, H W px, c channels, S T cells, D
embedding width.
"""

from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD, PixelNorm


class ClipMeanPool(nn.Module):
    """A map to one vector: the mean of its cells, normalised and projected.

    Args:
        norm: Maps [R, c, S, T] to the same, each cell by itself.
        project: Maps [..., c] to [..., D].
        dim: D.
        grid: Cells a side of the pictures the tower was trained on.
    """

    def __init__(self, norm: nn.Module, project: nn.Module, *, dim: int, grid: int) -> None:
        super().__init__()
        self.norm = norm
        self.project = project
        self.dim = dim
        self.grid = grid

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps or regions cut out of them, [R, c, S, T], to [R, D], not unit norm."""
        return self.dense(maps.mean(dim=(2, 3), keepdim=True)).flatten(1)

    def dense(self, maps: Tensor) -> Tensor:
        """Read every cell of [B, c, h, w] as a map of its own: [B, D, h, w], not unit norm."""
        read: Tensor = self.project(self.norm(maps).permute(0, 2, 3, 1))
        return read.permute(0, 3, 1, 2)


class ClipConvNext(nn.Module):
    """ConvNeXt as a trunk, and with its pool as an encoder of whole pictures.

    Args:
        trunk: timm's ``ConvNeXt``; its ``stem`` and its four ``stages`` are taken.
        pool: Without it only levels are given.
        pixels: Centres the colours; as CLIP does when None.
        dense: Whether the pool's dense readout [B, D, h, w] of C5, unit norm at each cell, is given
            as one more level.
        frozen: Whether nothing learns.

    Attributes:
        widths: Channels of C2 to C5, the levels that a pyramid may read.
        dim: D, None without a pool.
        grid: The pool's, None without one.

    Raises:
        ValueError: If a dense level is asked of a tower without a pool.
    """

    stride = 32

    def __init__(
        self,
        trunk: nn.Module,
        *,
        pool: ClipMeanPool | None = None,
        pixels: PixelNorm | None = None,
        dense: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if dense and pool is None:
            raise ValueError("a dense level needs a pool")
        known: Any = trunk
        self.pixels = pixels or PixelNorm(CLIP_MEAN, CLIP_STD)
        self.stem: nn.Module = known.stem
        self.stages: nn.Module = known.stages
        self.pool = pool
        self.dense = dense
        self.widths: tuple[int, ...] = tuple(level["num_chs"] for level in known.feature_info)
        self.dim = None if pool is None else pool.dim
        self.grid = None if pool is None else pool.grid
        self.frozen = frozen
        if frozen:
            self.requires_grad_(requires_grad=False).eval()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; a frozen tower stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return C2 to C5, [B, c, H / 4, W / 4] to [B, c, H / 32, W / 32], then the dense level.

        Args:
            images: [B, 3, H, W], RGB in [0, 1], sides of 32 px or more; the tower centres them
                itself.
        """
        x = self.stem(self.pixels(images))
        levels = []
        for stage in self.stages.children():
            x = stage(x)
            levels.append(x)
        if self.pool is not None and self.dense:
            levels.append(F.normalize(self.pool.dense(x), dim=1, eps=1e-6))
        return levels

    def embed(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, D], not unit norm.

        Raises:
            RuntimeError: If there is no pool.
        """
        if self.pool is None:
            raise RuntimeError("a ClipConvNext embeds pictures only with a pool")
        embedded: Tensor = self.pool(self(images)[3])
        return embedded

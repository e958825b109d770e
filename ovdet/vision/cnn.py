"""Small convolutional trunks, and the image encoder made of one.

Shapes: B images, H W px, c channels, D embedding width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovdet.ops.masks import mask_pool
from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (ResNet, He 2016, Fig. 2).

    Args:
        inputs: Channels in.
        outputs: Channels out.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        pool: nn.Module = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(
                pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, h, w] to [B, outputs, h / stride, w / stride]."""
        y: Tensor = self.first_norm(self.first(x)).relu()
        y = self.second_norm(self.second(y)) + self.shortcut(x)
        return y.relu()


@MODELS.register_module()
class SmallTrunk(nn.Module):
    """A residual trunk for pictures of 64 to 160 px.

    Args:
        widths: Channels of the stem (stride 2) and of each stage (strides 4, 8, ...).
        blocks: Residual blocks a stage.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 192), *, blocks: int = 1) -> None:
        super().__init__()
        stem, *rest = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()
        )
        self.stages = nn.ModuleList()
        before = stem
        for width in rest:
            first = ResidualBlock(before, width, 2)
            more = [ResidualBlock(width, width, 1) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(first, *more))
            before = width
        self.widths = tuple(rest)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the stages' maps, [B, c, H / 4, W / 4] first.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the trunk centres them itself.
        """
        # Channels last is the layout in which a CPU's convolutions are quickest.
        x = self.stem(((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


@MODELS.register_module()
class SmallImageEncoder(nn.Module):
    """Whole pictures to embeddings: a trunk, mean and attention pooling, a projection.

    Args:
        trunk: [B, 3, H, W] to levels; the last one is pooled. Has ``widths``.
        dim: D.
    """

    def __init__(self, trunk: nn.Module, *, dim: int = 128) -> None:
        super().__init__()
        width: int = trunk.widths[-1]  # type: ignore[index, assignment]
        self.trunk = trunk
        self.weigh = nn.Conv2d(width, 1, 1)
        self.project = nn.Linear(width, dim)
        self.dim = dim

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W], RGB in [0, 1], to [B, D], unit norm."""
        return weighted_pool(self.trunk(images)[-1], self.weigh, self.project)


@MODELS.register_module()
class WeightedPool(nn.Module):
    """What ``SmallImageEncoder`` does behind its trunk, for maps that are there already.

    Its weights have the same names, so that those of an encoder fill it.

    Args:
        width: c.
        dim: D.
    """

    def __init__(self, width: int, *, dim: int = 128) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(width, 1, 1)
        self.project = nn.Linear(width, dim)

    def forward(self, features: Tensor) -> Tensor:
        """Map [R, c, h, w] to [R, D], unit norm."""
        return weighted_pool(features, self.weigh, self.project)


def weighted_pool(features: Tensor, weigh: nn.Module, project: nn.Module) -> Tensor:
    """Return the projected mean of a map's cells, each weighted by a softmax over all of them.

    Args:
        features: [R, c, h, w].
        weigh: [R, c, h, w] to the weights' logits [R, 1, h, w].
        project: [R, c] to [R, D].

    Returns:
        [R, D], unit norm.
    """
    logits = weigh(features)[:, 0]  # [R, h, w]
    weights = logits.flatten(1).softmax(dim=-1).view_as(logits)
    return unit_norm(project(mask_pool(features, weights)))

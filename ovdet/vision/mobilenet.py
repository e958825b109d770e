"""MobileNetV2 with folded norms: a trunk for ordinary photos that stays quick on a CPU.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, Table 2.
Batch norms are folded into weights and biases, so training needs no batch statistics.
Shapes: B images, R regions, H W px, c channels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS

# Table 2: expansion, channels, blocks, stride of the first block.
_GROUPS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class _Conv(nn.Conv2d):
    """A convolution that pads as TensorFlow's "same": the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1:
            return super().forward(x)
        pads: list[int] = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shape stays.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        expansion: Channels inside over channels in.
        stride: Of the filter.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = nn.Identity() if expansion == 1 else _activated(_Conv(inputs, inner, 1))
        self.filter = _activated(_Conv(inner, inner, 3, stride, groups=inner))
        self.project = _Conv(inner, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, h, w] to [B, outputs, h / stride, w / stride]."""
        y: Tensor = self.project(self.filter(self.expand(x)))
        return x + y if self.shortcut else y


def mobilenet_stem() -> nn.Sequential:
    """Return the first convolution, [B, 3, H, W] to [B, 32, H / 2, W / 2]."""
    return _activated(_Conv(3, 32, 3, 2))


def mobilenet_blocks(first: int, last: int) -> nn.Sequential:
    """Return the blocks ``first`` to ``last``, counted from 1 to 17 as in Table 2."""
    plan: list[InvertedResidual] = []
    channels = 32
    for expansion, outputs, count, stride in _GROUPS:
        for index in range(count):
            step = stride if index == 0 else 1
            plan.append(InvertedResidual(channels, outputs, expansion=expansion, stride=step))
            channels = outputs
    return nn.Sequential(*plan[first - 1 : last])


def _activated(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU6())


@MODELS.register_module()
class MobileNetTrunk(nn.Module):
    """The levels at strides 8 and 16, and a coarser one pooled from the last.

    Blocks 14 to 17 are left to a head that sees single regions (``MobileNetEmbedder``).

    Args:
        frozen: Blocks, counted from the stem's 0, that do not learn; -1 means all learn.

    Raises:
        ValueError: If ``frozen`` is not in -1 to 13.
    """

    widths = (32, 96, 96)

    def __init__(self, *, frozen: int = -1) -> None:
        super().__init__()
        if not -1 <= frozen <= 13:
            raise ValueError(f"frozen must be -1 to 13, got {frozen}")
        self.stem = mobilenet_stem()
        self.stages = nn.ModuleList([mobilenet_blocks(1, 6), mobilenet_blocks(7, 13)])
        blocks = [self.stem, *[block for stage in self.stages for block in stage]]  # type: ignore[attr-defined]
        for block in blocks[: frozen + 1]:
            block.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return [B, c, h, w] at strides 8, 16 and 32.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the trunk centres them itself.
        """
        x = self.stem(images * 2 - 1)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return [*levels, F.max_pool2d(x, 2, ceil_mode=True)]


@MODELS.register_module()
class RawAndPyramid(nn.Module):
    """A pyramid's levels followed by the trunk's own finest one, for heads that carry on from it.

    Args:
        trunk: [B, 3, H, W] to levels; has ``widths``.
        width: c, channels of the pyramid's levels.
    """

    def __init__(self, trunk: nn.Module, *, width: int = 64) -> None:
        super().__init__()
        from torchvision.ops import FeaturePyramidNetwork

        self.trunk = trunk
        self.pyramid = FeaturePyramidNetwork(list(trunk.widths), width)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the pyramid, finest first, then the trunk's finest level as it is."""
        levels = self.trunk(images)
        named = {str(i): level for i, level in enumerate(levels)}
        return [*self.pyramid(named).values(), levels[0]]

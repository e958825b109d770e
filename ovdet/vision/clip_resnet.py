"""CLIP's convolutional image tower: a ResNet with a three-fold stem, blurred strides, attention.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021,
https://arxiv.org/abs/2103.00020, Sec. 2.4. Names of weights are those of OpenAI's files behind
``visual.``. Shapes: B images, R regions, H W px, c channels, S T cells, D embedding width.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD, PixelNorm
from ovdet.vision.positions import resample_positions


class ClipBottleneck(nn.Module):
    """Three convolutions with a shortcut; instead of striding it averages, so nothing aliases.

    Args:
        inputs: Channels in.
        width: Channels inside; four times as many come out.
        stride: 1, or 2 to halve the map.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.blur: nn.Module = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            blur: nn.Module = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            conv = nn.Conv2d(inputs, outputs, 1, bias=False)
            steps = [("-1", blur), ("0", conv), ("1", nn.BatchNorm2d(outputs))]
            self.downsample = nn.Sequential(OrderedDict(steps))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, h, w] to [B, 4 * width, h / stride, w / stride]."""
        y: Tensor = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(self.blur(y))) + self.downsample(x)
        return y.relu()


@MODELS.register_module()
class ClipAttentionPool(nn.Module):
    """A map to one vector: its mean asks all its cells, by attention of many heads.

    Args:
        width: c, channels of the map.
        dim: D.
        heads: Attention heads; they divide ``width``.
        grid: Cells a side of the map the positions belong to: the side of CLIP's input over 32.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, dim: int, *, heads: int, grid: int = 7) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} heads for width {width}")
        std = width**-0.5
        self.positional_embedding = nn.Parameter(torch.randn(grid * grid + 1, width) * std)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, dim)
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(layer.weight, std=std)
        self.heads = heads
        self.grid = grid
        self.dim = dim

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps or regions cut out of them.

        Args:
            maps: [R, c, S, T]; positions are resampled where S x T is not the grid.

        Returns:
            [R, D], as CLIP leaves it: not unit norm.
        """
        tokens = maps.flatten(2).transpose(1, 2)  # [R, ST, c]
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        tokens = tokens + resample_positions(self.positional_embedding, *maps.shape[-2:])
        query = self._split(self.q_proj(tokens[:, :1]))
        keys, values = self._split(self.k_proj(tokens)), self._split(self.v_proj(tokens))
        mixed = F.scaled_dot_product_attention(query, keys, values)  # [R, heads, 1, c / heads]
        pooled: Tensor = self.c_proj(mixed.flatten(1))
        return pooled

    def dense(self, maps: Tensor) -> Tensor:
        """Read every cell as if it alone were attended to (MaskCLIP, Zhou 2022, Sec. 3.2).

        Args:
            maps: [B, c, h, w].

        Returns:
            [B, D, h, w], not unit norm.
        """
        read: Tensor = self.c_proj(self.v_proj(maps.permute(0, 2, 3, 1)))
        return read.permute(0, 3, 1, 2)

    def dense_keys(self, maps: Tensor) -> Tensor:
        """Return the key of every cell of [B, c, h, w], without its position: [B, c, h, w]."""
        keys: Tensor = self.k_proj(maps.permute(0, 2, 3, 1))
        return keys.permute(0, 3, 1, 2)

    def _split(self, tokens: Tensor) -> Tensor:
        """Turn [R, N, c] into [R, heads, N, c / heads]."""
        count, width = tokens.shape[1:]
        heads = tokens.view(len(tokens), count, self.heads, width // self.heads)
        return heads.transpose(1, 2)


@MODELS.register_module()
class ClipResNet(nn.Module):
    """CLIP's ResNet as a trunk, and with its attention pool as an encoder of whole pictures.

    Args:
        layers: Blocks of each of the four stages; (3, 4, 6, 3) for RN50.
        width: Channels of the stem; 64 for RN50.
        pool: A ``ClipAttentionPool`` over 32 * width channels; without it only levels are given.
        dense: Whether the pool's dense readout [B, D, h, w] of C5, unit norm at each cell, is given
            as one more level.
        keys: Whether the pool's keys of C5, [B, c, h, w], are one more level, before the dense one.
        frozen: Whether nothing learns; the running statistics of the norms then stay as they are.

    Attributes:
        widths: Channels of C2 to C5, the levels that a pyramid may read.
        dim: D, None without a pool.
        grid: The pool's, None without one.

    Raises:
        ValueError: If a dense level or keys are asked of a tower without a pool.
    """

    stride = 32

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        *,
        pool: ClipAttentionPool | None = None,
        dense: bool = False,
        keys: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if (dense or keys) and pool is None:
            raise ValueError("a dense level needs a pool, and so do keys")
        self.pixels = PixelNorm(CLIP_MEAN, CLIP_STD)
        self.conv1 = nn.Conv2d(3, width // 2, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, layers[0], 1)
        self.layer2 = _stage(4 * width, 2 * width, layers[1], 2)
        self.layer3 = _stage(8 * width, 4 * width, layers[2], 2)
        self.layer4 = _stage(16 * width, 8 * width, layers[3], 2)
        self.attnpool = pool
        self.dense = dense
        self.keys = keys
        self.widths = tuple(4 * width * 2**i for i in range(4))
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
        x = self.bn1(self.conv1(self.pixels(images))).relu()
        x = self.bn2(self.conv2(x)).relu()
        x = F.avg_pool2d(self.bn3(self.conv3(x)).relu(), 2)
        levels = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            levels.append(x)
        if self.attnpool is not None and self.keys:
            levels.append(self.attnpool.dense_keys(x))
        if self.attnpool is not None and self.dense:
            levels.append(F.normalize(self.attnpool.dense(x), dim=1, eps=1e-6))
        return levels

    def embed(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, D], as CLIP leaves it: not unit norm.

        Raises:
            RuntimeError: If there is no pool.
        """
        if self.attnpool is None:
            raise RuntimeError("a ClipResNet embeds pictures only with a pool")
        embedded: Tensor = self.attnpool(self(images)[3])
        return embedded


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = ClipBottleneck(inputs, width, stride)
    stage = nn.Sequential(first, *(ClipBottleneck(4 * width, width, 1) for _ in range(blocks - 1)))
    for block in stage:
        nn.init.zeros_(block.bn3.weight)  # type: ignore[union-attr, arg-type]
    return stage

"""CLIP's transformer over patches: levels of patch tokens, and the class token's embedding.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021,
https://arxiv.org/abs/2103.00020, Sec. 2.4. Names of weights are those of OpenAI's files behind
``visual.``. Shapes: B images, H W px, h w patches, N = 1 + h * w tokens (the class token first),
c width, D embedding width.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD, PixelNorm
from ovdet.vision.positions import resample_positions


class QuickGelu(nn.Module):
    """The activation that OpenAI's weights were trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x * sigmoid(1.702 x)."""
        return x * torch.sigmoid(1.702 * x)


class ClipAttention(nn.Module):
    """Attention among tokens, taken apart so that a dense readout can put it together anew.

    Args:
        width: c.
        heads: Attention heads; they divide ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.heads = heads

    def split(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn [B, N, c] into queries, keys and values, each [B, heads, N, c / heads]."""
        packed = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        batch, count, width = tokens.shape
        parts = packed.view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """Turn mixed values [B, heads, N, c / heads] into [B, N, c]."""
        joined: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return joined

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, N, c] to [B, N, c]."""
        return self.join(F.scaled_dot_product_attention(*self.split(tokens)))


class ClipBlock(nn.Module):
    """Attention, then two linear maps a token; each behind a norm and with a shortcut.

    Args:
        width: c.
        heads: Attention heads.
        quick: Whether the activation is QuickGELU.
        hidden: Width between the two linear maps; 4 c where None.
    """

    def __init__(self, width: int, heads: int, *, quick: bool, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or 4 * width
        self.ln_1 = nn.LayerNorm(width)
        self.attn = ClipAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        widen, narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)
        bend: nn.Module = QuickGelu() if quick else nn.GELU()
        steps = [("c_fc", widen), ("gelu", bend), ("c_proj", narrow)]
        self.mlp = nn.Sequential(OrderedDict(steps))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, N, c] to [B, N, c]."""
        tokens = tokens + self.attn(self.ln_1(tokens))
        after: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return after


@MODELS.register_module()
@dataclass(frozen=True)
class ClipVitShape:
    """The sizes of a tower; those of ViT-B/32 where nothing is said.

    Attributes:
        patch: Side of a patch, px.
        width: c.
        layers: Blocks.
        heads: Attention heads of a block.
        dim: D.
        grid: Patches a side of the pictures it was trained on, to which the positions belong.
        quick: Whether the activation is QuickGELU (OpenAI's weights) or GELU.
        hidden: Width between the two linear maps of a block; 4 c where None.
    """

    patch: int = 32
    width: int = 768
    layers: int = 12
    heads: int = 12
    dim: int = 512
    grid: int = 7
    quick: bool = True
    hidden: int | None = None

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} for width {self.width}")


class LastBlock(nn.Module):
    """The readout of a tower used as it was trained: its last block, unchanged."""

    def forward(self, block: ClipBlock, tokens: Tensor, grid: tuple[int, int]) -> Tensor:  # noqa: ARG002
        """Run the last block.

        Args:
            block: The tower's last block.
            tokens: [B, N, c], what the block before it gave.
            grid: (h, w).

        Returns:
            [B, N, c], of which the rows behind the class token are read.
        """
        after: Tensor = block(tokens)
        return after


@MODELS.register_module()
class ClipVit(nn.Module):
    """CLIP's ViT as a trunk and as an encoder of whole pictures, for pictures of any size.

    A picture whose sides are no multiples of the patch is stretched to the nearest ones, so that
    the cells cover it whole and evenly; positions are resampled.

    Args:
        shape: The tower's sizes.
        blocks: Blocks, counted from 0, whose tokens are given as levels too.
        readout: (last block, tokens before it [B, N, c], (h, w)) to tokens [B, N, c], what the
            dense level is made of; the last block itself when None.
        keys: Whether the last block's keys are a level too.
        frozen: Whether nothing learns.

    Attributes:
        widths: c for each of ``blocks``, the levels that a pyramid may read; the dense level, D
            channels, comes behind them.
        dim: D.
        grid: Patches a side of the pictures it was trained on.
        stride: Side of a patch, px.

    Raises:
        ValueError: If a block is not there, or ``blocks`` do not rise.
    """

    def __init__(
        self,
        shape: ClipVitShape,
        *,
        blocks: Sequence[int] = (),
        readout: nn.Module | None = None,
        keys: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if sorted(set(blocks)) != list(blocks) or not set(blocks) <= set(range(shape.layers)):
            raise ValueError(f"blocks must rise from 0 to {shape.layers - 1}, got {tuple(blocks)}")
        width, std = shape.width, shape.width**-0.5
        self.pixels = PixelNorm(CLIP_MEAN, CLIP_STD)
        self.conv1 = nn.Conv2d(3, width, shape.patch, shape.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * std)
        self.positional_embedding = nn.Parameter(torch.randn(shape.grid**2 + 1, width) * std)
        self.ln_pre = nn.LayerNorm(width)
        stack = [
            ClipBlock(width, shape.heads, quick=shape.quick, hidden=shape.hidden)
            for _ in range(shape.layers)
        ]
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(stack)})
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, shape.dim) * std)
        self.readout: nn.Module = LastBlock() if readout is None else readout
        self.keys = keys
        self.blocks = tuple(blocks)
        self.widths = (width,) * len(blocks)
        self.dim = shape.dim
        self.grid = shape.grid
        self.stride = shape.patch
        self.frozen = frozen
        if frozen:
            self.requires_grad_(requires_grad=False).eval()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; a frozen tower stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    @property
    def resblocks(self) -> Any:
        """The transformer's blocks, in order."""
        return self.transformer["resblocks"]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the chosen blocks' tokens as maps [B, c, h, w], then the dense level.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the tower centres them itself.

        Returns:
            All of one size; the dense level [B, D, h, w] is unit norm at each patch. With ``keys``
            the keys [B, c, h, w], all heads in a row, stand before it.
        """
        tokens, grid = self.tokens(images)
        *earlier, last = self.resblocks
        levels = []
        for index, block in enumerate(earlier):
            tokens = block(tokens)
            if index in self.blocks:
                levels.append(as_map(tokens, grid))
        if len(earlier) in self.blocks:
            levels.append(as_map(last(tokens), grid))
        if self.keys:
            levels.append(as_map(key_tokens(last, tokens), grid))
        read = self.readout(last, tokens, grid)
        return [*levels, as_map(unit_norm(self.project(read)), grid)]

    def embed(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to the class token's [B, D], as CLIP leaves it: not unit norm."""
        tokens, _ = self.last_tokens(images)
        embeddings: Tensor = tokens[:, 0] @ self.proj
        return embeddings

    def before_last(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what enters the last block, [B, N, c], and (h, w)."""
        tokens, grid = self.tokens(images)
        for block in self.resblocks[:-1]:
            tokens = block(tokens)
        return tokens, grid

    def last_tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what the last block gives, behind the last norm, [B, N, c], and (h, w)."""
        tokens, grid = self.tokens(images)
        for block in self.resblocks:
            tokens = block(tokens)
        return self.ln_post(tokens), grid

    def taps(self, images: Tensor, blocks: Sequence[int]) -> tuple[list[Tensor], tuple[int, int]]:
        """Return what some blocks, in rising order, give: [B, N, c] each, and (h, w)."""
        tokens, grid = self.tokens(images)
        taps = []
        for index, block in enumerate(self.resblocks[: max(blocks) + 1]):
            tokens = block(tokens)
            if index in blocks:
                taps.append(tokens)
        return taps, grid

    def tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what enters the first block, [B, N, c], and (h, w)."""
        cells = self.conv1(self.pixels(fit_patches(images, self.stride)))
        height, width = cells.shape[-2:]
        first = self.class_embedding.expand(len(cells), 1, -1).to(cells.dtype)
        rows = torch.cat([first, cells.flatten(2).transpose(1, 2)], dim=1)
        positions = resample_positions(self.positional_embedding, height, width)
        return self.ln_pre(rows + positions.to(rows.dtype)), (height, width)

    def project(self, tokens: Tensor) -> Tensor:
        """Map tokens behind the last block, [..., c], into the space of the text: [..., D]."""
        projected: Tensor = self.ln_post(tokens) @ self.proj
        return projected


def as_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Turn tokens [B, N, c] into a map [B, c, h, w]; what stands before the patches is left out."""
    patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :]
    return patches.transpose(1, 2).reshape(len(tokens), tokens.shape[2], *grid)


def key_tokens(block: ClipBlock, tokens: Tensor) -> Tensor:
    """Return a block's keys for the tokens that enter it, [B, N, c], all heads in a row."""
    _, keys, _ = block.attn.split(block.ln_1(tokens))
    return keys.transpose(1, 2).flatten(2)


def fit_patches(images: Tensor, patch: int) -> Tensor:
    """Stretch pictures [B, 3, H, W] to the nearest multiples of the patch, where they are not."""
    height, width = (max((s + patch // 2) // patch, 1) * patch for s in images.shape[-2:])
    if (height, width) == tuple(images.shape[-2:]):
        return images
    return F.interpolate(images, (height, width), mode="bilinear", align_corners=False)

"""A small plain vision transformer, quick enough to be trained on a CPU.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, https://arxiv.org/abs/2010.11929,
with convolutions in place of the patch projection (Xiao et al., "Early Convolutions Help
Transformers See Better", NeurIPS 2021, https://arxiv.org/abs/2106.14881): with few pictures and
few steps they are what makes it learn. Otherwise it is CLIP's, and offers what ``ClipVit`` offers.
Shapes: B images, H W px, h w patches, N = 1 + h * w tokens (the class token first), c width, D
embedding width.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.vision.clip_vit import ClipBlock, as_map, key_tokens
from ovdet.vision.positions import resample_positions


@MODELS.register_module()
class SmallVit(nn.Module):
    """Convolutions down to the patch, a few transformer blocks, a projection of the class token.

    Args:
        dim: D.
        width: c.
        layers: Blocks.
        heads: Attention heads of a block; they divide ``width``.
        stem: Channels of the convolutions of stride 2 before the last one, which has c: the patch
            has 2 ** (1 + len(stem)) px a side.
        grid: Patches a side of the pictures it is first trained on, to which the positions belong.
        readout: (last block, tokens before it [B, N, c], (h, w)) to tokens [B, N, c], what a dense
            level is made of; None gives none.
        keys: Whether the last block's keys are a level too.

    Attributes:
        widths: Channels of the first level: c alone.
        stride: Side of a patch, px.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        width: int = 192,
        layers: int = 4,
        heads: int = 3,
        stem: Sequence[int] = (32, 64),
        grid: int = 8,
        readout: nn.Module | None = None,
        keys: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} for width {width}")
        self.stem = _stem((3, *stem, width))
        std = width**-0.5
        self.class_embedding = nn.Parameter(torch.randn(width) * std)
        self.positional_embedding = nn.Parameter(torch.randn(grid**2 + 1, width) * std)
        self.ln_pre = nn.LayerNorm(width)
        self.resblocks = nn.ModuleList(ClipBlock(width, heads, quick=False) for _ in range(layers))
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, dim) * std)
        self.readout = readout
        self.keys = keys
        self.widths = (width,)
        self.dim = dim
        self.grid = grid
        self.stride = 2 ** (1 + len(stem))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the last block's tokens behind its norm, [B, c, h, w], then what was asked for.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the tower centres them itself.

        Returns:
            Levels of one size: with ``keys`` the keys [B, c, h, w] come next, all heads in a row;
            with a readout the dense level [B, D, h, w], unit norm at each patch, comes last.
        """
        tokens, grid = self.before_last(images)
        last: Any = self.resblocks[-1]
        levels = [as_map(self.ln_post(_step(last, tokens)), grid)]
        if self.keys:
            levels.append(as_map(key_tokens(last, tokens), grid))
        if self.readout is not None:
            read = self.readout(last, tokens, grid)
            levels.append(as_map(unit_norm(self.project(read)), grid))
        return levels

    def embed(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to the class token's [B, D], not unit norm."""
        tokens, _ = self.last_tokens(images)
        return tokens[:, 0] @ self.proj

    def last_tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what the last block gives, behind the last norm, [B, N, c], and (h, w)."""
        tokens, grid = self.first_tokens(images)
        return self.ln_post(self.run(tokens)), grid

    def before_last(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what enters the last block, [B, N, c], and (h, w)."""
        tokens, grid = self.first_tokens(images)
        for block in self.resblocks[:-1]:
            tokens = _step(block, tokens)
        return tokens, grid

    def project(self, tokens: Tensor) -> Tensor:
        """Map tokens behind the last block, [..., c], into the space of the text: [..., D]."""
        projected: Tensor = self.ln_post(tokens) @ self.proj
        return projected

    def run(self, tokens: Tensor) -> Tensor:
        """Run all blocks on [B, N, c]."""
        for block in self.resblocks:
            tokens = _step(block, tokens)
        return tokens

    def taps(self, images: Tensor, blocks: Sequence[int]) -> tuple[list[Tensor], tuple[int, int]]:
        """Return what some blocks, in rising order, give: [B, N, c] each, and (h, w)."""
        tokens, grid = self.first_tokens(images)
        taps = []
        for index, block in enumerate(self.resblocks[: max(blocks) + 1]):
            tokens = _step(block, tokens)
            if index in blocks:
                taps.append(tokens)
        return taps, grid

    def first_tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what enters the first block, [B, N, c], and (h, w)."""
        # Channels last is the layout in which a CPU's convolutions are quickest.
        centred = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        cells = self.stem(centred)
        height, width = cells.shape[-2:]
        first = self.class_embedding.expand(len(cells), 1, -1).to(cells.dtype)
        rows = torch.cat([first, cells.flatten(2).transpose(1, 2)], dim=1)
        positions = resample_positions(self.positional_embedding, height, width)
        return self.ln_pre(rows + positions.to(rows.dtype)), (height, width)


def _step(block: Any, tokens: Tensor) -> Tensor:
    tokens = tokens + _attend(block.attn, block.ln_1(tokens))
    after: Tensor = tokens + block.mlp(block.ln_2(tokens))
    return after


def _attend(attention: Any, tokens: Tensor) -> Tensor:
    # Written out: on a CPU the fused kernel's backward takes half of a step on rows this short.
    query, key, value = attention.split(tokens)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    mixed: Tensor = attention.join(scores.softmax(dim=-1).to(value.dtype) @ value)
    return mixed


def _stem(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs)]
        layers.append(nn.ReLU())
    layers.append(nn.Conv2d(widths[-1], widths[-1], 1))
    return nn.Sequential(*layers)

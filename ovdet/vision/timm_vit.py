"""Transformers over patches that timm defines, EVA-CLIP's and SigLIP's, used as ``ClipVit`` is.

EVA-CLIP (Sun et al., https://arxiv.org/abs/2303.15389) reads its class token; SigLIP (Zhai et al.,
ICCV 2023, https://arxiv.org/abs/2303.15343) has none and asks all patches with one learnt query.
Shapes: B images, H W px, h w patches, N = E + h * w tokens (E = 1 class token or 0), c width, D
embedding width.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.vision.clip_vit import LastBlock, as_map, fit_patches, key_tokens
from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD, PixelNorm
from ovdet.vision.positions import resample_positions


class TimmAttention:
    """An attention of timm, taken apart as ``ClipAttention`` is.

    Args:
        block: timm's block.
        rope: What queries and keys of patches are turned by, [h * w, 2 * c / heads]; None where
            positions are only added.
    """

    def __init__(self, block: Any, rope: Tensor | None) -> None:
        self.block = block
        self.part = block.attn
        self.rope = rope

    def split(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn [B, N, c] into queries, keys and values, each [B, heads, N, c / heads]."""
        part = self.part
        if part.qkv is None:
            three = [project(tokens) for project in (part.q_proj, part.k_proj, part.v_proj)]
        else:
            three = list(F.linear(tokens, part.qkv.weight, self._bias()).chunk(3, dim=-1))
        query, key, value = (x.unflatten(2, (part.num_heads, -1)).transpose(1, 2) for x in three)
        query, key = part.q_norm(query), part.k_norm(key)
        if self.rope is not None:
            query, key = (self._turned(x).type_as(value) for x in (query, key))
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """Turn mixed values [B, heads, N, c / heads] into [B, N, c]."""
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def out_proj(self, joined: Tensor) -> Tensor:
        """Map all heads in a row, [B, N, c], to what the block adds to its tokens, [B, N, c]."""
        after: Tensor = self.part.proj(self.part.norm(joined))
        return scaled(self.block, after, 1)

    def _bias(self) -> Tensor | None:
        """Return the bias of the packed projection; EVA's keys have none."""
        part = self.part
        if getattr(part, "q_bias", None) is None:
            bias: Tensor | None = part.qkv.bias
            return bias
        return torch.cat([part.q_bias, part.k_bias, part.v_bias])

    def _turned(self, heads: Tensor) -> Tensor:
        from timm.layers import apply_rot_embed_cat

        first = self.part.num_prefix_tokens
        patches = apply_rot_embed_cat(heads[:, :, first:], self.rope, half=self.part.rotate_half)
        return torch.cat([heads[:, :, :first], patches], dim=2)


class TimmBlock:
    """A block of timm as readouts see one: ``ln_1``, ``attn``, ``ln_2`` and ``mlp``.

    What a block scales its branches by, or normalises behind them (EVA02-E), is a part of the
    branches.

    Args:
        block: timm's block.
        rope: As for ``TimmAttention``.
    """

    def __init__(self, block: Any, rope: Tensor | None = None) -> None:
        self.block = block
        self.attn = TimmAttention(block, rope)
        behind = is_post_norm(block)
        self.ln_1: nn.Module = nn.Identity() if behind else block.norm1
        self.ln_2: nn.Module = nn.Identity() if behind else block.norm2

    def mlp(self, tokens: Tensor) -> Tensor:
        """Map [B, N, c] to what the block adds to its tokens, [B, N, c]."""
        return scaled(self.block, self.block.mlp(tokens), 2)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Map [B, N, c] to [B, N, c]."""
        # In parts, as the readouts run it: timm's own forward cannot take an empty batch.
        mixed = F.scaled_dot_product_attention(*self.attn.split(self.ln_1(tokens)))
        tokens = tokens + self.attn.join(mixed)
        return tokens + self.mlp(self.ln_2(tokens))


class TimmVit(nn.Module):
    """A ViT of timm as a trunk and as an encoder of whole pictures, for pictures of any size.

    Pictures are stretched as in ``ClipVit``, positions as the weights' own source does it. The
    dense level of a tower with a class token is what its projection makes of each patch; without
    one, what the pooling head says of each patch if its query sees that patch alone.

    Args:
        trunk: timm's ``Eva`` or ``VisionTransformer``, built for any size of pictures, which gives
            embeddings.
        pixels: Centres the colours; as CLIP does when None.
        soft: Whether positions are resampled as timm does, else as transformers does.
        blocks: Blocks, counted from 0, whose tokens are given as levels too.
        readout: As for ``ClipVit``.
        keys: Whether the last block's keys are a level too.
        frozen: Whether nothing learns.

    Attributes:
        widths: c for each of ``blocks``.
        dim: D.
        grid: Patches a side of the pictures it was trained on.
        stride: Side of a patch, px.

    Raises:
        ValueError: If a block is not there, or ``blocks`` do not rise.
    """

    def __init__(
        self,
        trunk: nn.Module,
        *,
        pixels: PixelNorm | None = None,
        soft: bool = True,
        blocks: Sequence[int] = (),
        readout: nn.Module | None = None,
        keys: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        known: Any = trunk
        count = len(known.blocks)
        if sorted(set(blocks)) != list(blocks) or not set(blocks) <= set(range(count)):
            raise ValueError(f"blocks must rise from 0 to {count - 1}, got {tuple(blocks)}")
        self.pixels = pixels or PixelNorm(CLIP_MEAN, CLIP_STD)
        self.trunk: Any = known
        self.soft = soft
        self.readout: nn.Module = LastBlock() if readout is None else readout
        self.keys = keys
        self.blocks = tuple(blocks)
        self.widths = (known.embed_dim,) * len(blocks)
        self.dim: int = known.num_classes or known.embed_dim
        self.grid: int = known.patch_embed.grid_size[0]
        self.stride: int = known.patch_embed.patch_size[0]
        self.frozen = frozen
        if frozen:
            self.requires_grad_(requires_grad=False).eval()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; a frozen tower stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    @property
    def resblocks(self) -> list[TimmBlock]:
        """The blocks, in order, that know no positions: for their values and projections."""
        return [TimmBlock(block) for block in self.trunk.blocks]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the chosen blocks' tokens as maps [B, c, h, w], then the dense level.

        Args:
            images: [B, 3, H, W], RGB in [0, 1]; the tower centres them itself.

        Returns:
            As ``ClipVit``: with ``keys`` the keys [B, c, h, w], then [B, D, h, w], unit norm.
        """
        tokens, grid = self.tokens(images)
        *earlier, last = self._run(grid)
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
        """Map [B, 3, H, W] to the picture's [B, D], not unit norm."""
        tokens, _ = self.last_tokens(images)
        embeddings: Tensor = self.trunk.forward_head(tokens)
        return embeddings

    def before_last(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what enters the last block, [B, N, c], and (h, w)."""
        tokens, grid = self.tokens(images)
        for block in self._run(grid)[:-1]:
            tokens = block(tokens)
        return tokens, grid

    def last_tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what the last block gives, behind the last norm, [B, N, c], and (h, w)."""
        tokens, grid = self.tokens(images)
        for block in self._run(grid):
            tokens = block(tokens)
        normed: Tensor = self.trunk.norm(tokens)
        return normed, grid

    def tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what enters the first block, [B, N, c], and (h, w)."""
        trunk = self.trunk
        cells = trunk.patch_embed.proj(self.pixels(fit_patches(images, self.stride)))
        height, width = cells.shape[-2:]
        rows, first = cells.flatten(2).transpose(1, 2), trunk.cls_token
        if first is not None:
            rows = torch.cat([first.expand(len(rows), -1, -1).to(rows.dtype), rows], dim=1)
        extra = 0 if first is None else 1
        positions = resample_positions(
            trunk.pos_embed[0], height, width, extra=extra, antialias=self.soft
        )
        entering: Tensor = trunk.norm_pre(rows + positions.to(rows.dtype))
        return entering, (height, width)

    def project(self, tokens: Tensor) -> Tensor:
        """Map tokens behind the last block, [..., c], into the space of the text: [..., D]."""
        trunk = self.trunk
        tokens = trunk.norm(tokens)
        if trunk.attn_pool is None:
            projected: Tensor = trunk.head(trunk.fc_norm(tokens))
            return projected
        pool = trunk.attn_pool
        _, value = pool.kv(tokens).chunk(2, dim=-1)  # a query that sees one token takes its value
        seen: Tensor = pool.proj(value)
        more: Tensor = pool.mlp(pool.norm(seen))
        return seen + more

    def _run(self, grid: tuple[int, int]) -> Any:
        """Return the blocks as they run over a grid."""
        turn = getattr(self.trunk, "rope", None)
        rope = None if turn is None else turn.get_embed(shape=grid)
        return [TimmBlock(block, rope) for block in self.trunk.blocks]


def is_post_norm(block: Any) -> bool:
    """Tell whether a block of timm normalises behind its branches."""
    return type(block).__name__ == "EvaBlockPostNorm"


def scaled(block: Any, branch: Tensor, which: int) -> Tensor:
    """Return a branch as its block adds it.

    Args:
        block: timm's.
        branch: [B, N, c], of the attention (1) or of the two linear maps (2).
        which: 1 or 2.
    """
    if is_post_norm(block):
        normed: Tensor = getattr(block, f"norm{which}")(branch)
        return normed
    gain: Tensor | None = getattr(block, f"gamma_{which}", None)  # EVA's
    if gain is not None:
        return branch * gain
    layer: nn.Module = getattr(block, f"ls{which}", nn.Identity())
    after: Tensor = layer(branch)
    return after

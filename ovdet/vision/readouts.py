"""Dense readouts of a CLIP ViT: what its last block gives to each patch, put together otherwise.

CLIP's last attention gathers for the class token what the patches hold, and mixes the patches until
they say no more where something is. A readout keeps all weights and changes the mixing alone:

- MaskCLIP (Zhou et al., "Extract Free Dense Labels from CLIP", ECCV 2022,
  https://arxiv.org/abs/2112.01071): every patch attends to itself only.
- SCLIP (Wang et al., "SCLIP: Rethinking Self-Attention for Dense Vision-Language Inference",
  ECCV 2024, https://arxiv.org/abs/2312.01597): queries meet queries, and keys meet keys.
- NACLIP (Hajimiri et al., "Pay Attention to Your Neighbours", WACV 2025,
  https://arxiv.org/abs/2404.08181): keys meet keys, and near patches count more.

A ResNet's readout is ``ClipAttentionPool.dense``. Shapes: B images, h w patches, N = 1 + h * w
tokens (the class token first), c width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError
from ovdet.vision.clip_vit import ClipBlock

_PAIRS = ("qk", "qq", "kk", "vv")


@MODELS.register_module()
class ValuePath(nn.Module):
    """Every token reads its own value, as if it alone were attended to (MaskCLIP, Sec. 3.2).

    Args:
        residual: Whether the token itself is added, as MaskCLIP's code does for a ViT.
        ffn: Whether the block's two linear maps follow, as there.
    """

    def __init__(self, *, residual: bool = False, ffn: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.ffn = ffn

    def forward(self, block: ClipBlock, tokens: Tensor, grid: tuple[int, int]) -> Tensor:  # noqa: ARG002
        """Map the tokens before the last block [B, N, c] to those to be read [B, N, c]."""
        _, _, values = block.attn.split(block.ln_1(tokens))
        read = block.attn.join(values)
        return _finished(block, tokens, read, residual=self.residual, ffn=self.ffn)


@MODELS.register_module()
class SelfSelfAttention(nn.Module):
    """Tokens attend to those that are like them.

    Each pair is an attention of its own over the same values, and all are added, unweighted: SCLIP
    is ``("qq", "kk")`` with residual and FFN, NACLIP ``("kk",)`` with ``sigma`` 5 and without both.

    Args:
        pairs: What meets what: of ``qk`` (CLIP's own), ``qq``, ``kk`` and ``vv``.
        sigma: Spread of the neighbourhood, patches: exp(-d^2 / (2 sigma^2)) for a patch at the
            distance d is added before the softmax, 0 where the class token is involved. None adds
            nothing.
        residual: Whether the token itself is added.
        ffn: Whether the block's two linear maps follow.

    Raises:
        ValueError: If there is no pair or an unknown one, or ``sigma`` is not positive.
    """

    def __init__(
        self,
        pairs: Sequence[str] = ("qq", "kk"),
        *,
        sigma: float | None = None,
        residual: bool = True,
        ffn: bool = True,
    ) -> None:
        super().__init__()
        if not pairs or not set(pairs) <= set(_PAIRS):
            raise ValueError(f"pairs must be some of {_PAIRS}, got {tuple(pairs)}")
        if sigma is not None and sigma <= 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        self.pairs = tuple(pairs)
        self.sigma = sigma
        self.residual = residual
        self.ffn = ffn

    def forward(self, block: ClipBlock, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map the tokens before the last block [B, N, c] to those to be read [B, N, c]."""
        parts = dict(zip("qkv", block.attn.split(block.ln_1(tokens)), strict=True))
        extra = tokens.shape[1] - grid[0] * grid[1]
        bias = None if self.sigma is None else neighbourhood(grid, self.sigma, extra).to(tokens)
        mixed = torch.zeros_like(parts["v"])
        for pair in self.pairs:
            asks, answers = parts[pair[0]], parts[pair[1]]
            mixed = mixed + F.scaled_dot_product_attention(
                asks, answers, parts["v"], attn_mask=bias
            )
        read = block.attn.join(mixed)
        return _finished(block, tokens, read, residual=self.residual, ffn=self.ffn)


@MODELS.register_module()
class ClassEverywhere(nn.Module):
    """Every place is given the whole picture's embedding: what knows names but no places."""

    def forward(self, block: ClipBlock, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map the tokens before the last block [B, N, c] to those to be read [B, N, c].

        Raises:
            InputError: If the tower has no class token.
        """
        if tokens.shape[1] == grid[0] * grid[1]:
            raise InputError("ClassEverywhere needs a class token, this tower has none")
        after: Tensor = block(tokens)
        return after[:, :1].expand_as(tokens)


def neighbourhood(grid: tuple[int, int], sigma: float, extra: int = 1) -> Tensor:
    """Return how near patches are to each other: [N, N], in [0, 1], 0 for the class token.

    Args:
        grid: (h, w).
        sigma: Spread of the Gaussian, patches.
        extra: Tokens before the patches, 0 where there is no class token.
    """
    height, width = grid
    rows, columns = torch.arange(height), torch.arange(width)
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).view(-1, 2).float()
    near = (-(torch.cdist(places, places) ** 2) / (2 * sigma**2)).exp()
    return F.pad(near, (extra, 0, extra, 0))


def _finished(
    block: ClipBlock, tokens: Tensor, read: Tensor, *, residual: bool, ffn: bool
) -> Tensor:
    if residual:
        read = tokens + read
    if ffn:
        read = read + block.mlp(block.ln_2(read))
    return read

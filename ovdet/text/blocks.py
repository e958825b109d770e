"""Layers over tokens that all see each other, or those of their own name alone.

Shapes: B captions or names, N tokens, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError


@MODELS.register_module()
class TokenLayer(nn.Module):
    """One layer of BERT (Devlin 2019): attention, then two linear maps, normalised after each.

    Args:
        dim: D.
        heads: They divide ``dim``.
        hidden: Width between the two linear maps; 4 D where None.
        dropout: Share of what a part adds that is left out in training.

    Raises:
        InputError: If ``heads`` does not divide ``dim``.
    """

    def __init__(
        self, dim: int, *, heads: int = 4, hidden: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if dim % heads:
            raise InputError(f"heads must divide dim, got {heads} heads for dim {dim}")
        hidden = hidden or 4 * dim
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.out_norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        self.down_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.qkv, self.out, self.up, self.down):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Map tokens [B, N, D] to tokens.

        Args:
            tokens: [B, N, D].
            seen: [B, N, N], True where the token of a row looks at that of a column; every row
                must look at one at least.
        """
        tokens = self.out_norm(tokens + self.dropout(self._attend(tokens, seen)))
        wider = self.down(F.gelu(self.up(tokens)))
        normed: Tensor = self.down_norm(tokens + self.dropout(wider))
        return normed

    def _attend(self, tokens: Tensor, seen: Tensor) -> Tensor:
        b, n, width = tokens.shape
        parts = self.qkv(tokens).view(b, n, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)).float() * (width // self.heads) ** -0.5
        weights = scores.masked_fill(~seen[:, None], -torch.inf).softmax(dim=-1)
        mixed: Tensor = self.out((weights.to(v.dtype) @ v).transpose(1, 2).reshape(b, n, width))
        return mixed

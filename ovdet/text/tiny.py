"""The text tower of the tiny models."""

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError
from ovdet.text.encoders import TextEncoder, at_ends
from ovdet.text.tokenizer import END


@MODELS.register_module()
class TinyTextTransformer(TextEncoder):
    """CLIP's causal text transformer, small, with a factorised token table.

    Args:
        dim: Length D of the vectors.
        width: Width of the blocks.
        layers: Number of blocks.
        heads: Attention heads of a block; they divide ``width``.
        context: Longest row of ids.
        embed_width: Width of the token table, which a linear layer then brings to ``width``: the
            table of 49,408 rows would otherwise hold most of a small tower's weights.

    Raises:
        InputError: If ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        dim: int = 128,
        width: int = 128,
        layers: int = 3,
        heads: int = 4,
        context: int = 77,
        embed_width: int = 64,
    ) -> None:
        super().__init__(dim, context, f"heads={heads}", causal=True)
        if width % heads:
            raise InputError(f"heads must divide width, got {heads} heads for width {width}")
        self.tokens = nn.Embedding(END + 1, embed_width)
        self.widen = nn.Linear(embed_width, width, bias=False)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, dim, bias=False)
        self._init_weights(width)

    def _init_weights(self, width: int) -> None:
        # Together a spread of 0.02, that of CLIP's full table. The rows start small because Adam
        # moves all weights alike, and a token that few captions hold must turn in few steps.
        nn.init.normal_(self.tokens.weight, std=0.005)
        nn.init.normal_(self.widen.weight, std=4 * self.tokens.embedding_dim**-0.5)
        nn.init.normal_(self.positions, std=0.01)
        for block in self.blocks:
            block.init_weights(len(self.blocks))  # type: ignore[operator]
        nn.init.normal_(self.project.weight, std=width**-0.5)

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Look up the ids [N, T] in the token table: [N, T, width]."""
        widened: Tensor = self.widen(self.tokens(ids))
        return widened

    def read(self, embedded: Tensor, ends: Tensor | None = None) -> Tensor:
        """Run the tower on [N, T, width]: [N, D] at ``ends`` [N], or [N, T, D]."""
        x = embedded + self.positions[: embedded.shape[1]]
        for block in self.blocks:
            x = block(x)
        projected: Tensor = self.project(self.norm(at_ends(x, ends)))
        return projected


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def init_weights(self, layers: int) -> None:
        width = self.out.in_features
        branch = width**-0.5 * (2 * layers) ** -0.5
        nn.init.normal_(self.qkv.weight, std=width**-0.5)
        nn.init.normal_(self.up.weight, std=(2 * width) ** -0.5)
        for layer in (self.out, self.down):
            nn.init.normal_(layer.weight, std=branch)
        for layer in (self.qkv, self.out, self.up, self.down):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.norm1(x))
        hidden = self.up(self.norm2(x))
        hidden = hidden * torch.sigmoid(1.702 * hidden)  # CLIP's QuickGELU
        wider: Tensor = x + self.down(hidden)
        return wider

    def _attend(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        parts = self.qkv(x).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        # Written out: on a CPU the fused kernel's backward takes most of a step on short rows.
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5
        mixed = scores.masked_fill(later, float("-inf")).softmax(dim=-1).to(v.dtype) @ v
        joined: Tensor = self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return joined

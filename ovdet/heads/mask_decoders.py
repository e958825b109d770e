"""Queries that become masks: they look everywhere, or only where their own masks lie.

Shapes: B images, Q queries, T cells of a level, d width, c channels, h w of a map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.heads.mask_features import MaskFeatures
from ovdet.heads.queries import BlockAttention, FeedForward, Mlp
from ovdet.ops.attention import grid_encoding
from ovdet.registry import MODELS
from ovdet.structures import MaskQueries


class CrossAttention(nn.Module):
    """Queries look into a map (Vaswani 2017, Sec. 3.2).

    Written out, as ``BlockAttention`` is.

    Args:
        width: d.
        heads: They divide ``width``.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} heads for width {width}")
        self.heads = heads
        self.ask, self.answer = nn.Linear(width, width), nn.Linear(width, width)
        self.values, self.project = nn.Linear(width, width), nn.Linear(width, width)
        for layer in (self.ask, self.answer, self.values, self.project):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, asked: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None = None
    ) -> Tensor:
        """Return what the queries see, [B, Q, d].

        Args:
            asked: [B, Q, d], content with place.
            keys: [B, T, d], cells with their places.
            values: [B, T, d], cells.
            hidden: [B, Q, T], bool, cells that a query does not see, never all of them; None for
                none.
        """
        ask, answer = self._split(self.ask(asked)), self._split(self.answer(keys))
        scores = (ask @ answer.transpose(-2, -1)).float() * ask.shape[-1] ** -0.5
        if hidden is not None:
            scores = scores.masked_fill(hidden[:, None], float("-inf"))
        own = self._split(self.values(values))
        mixed = scores.softmax(dim=-1).to(own.dtype) @ own
        out: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class MaskDecoderLayer(nn.Module):
    """Queries look at each other and into a map, then each thinks for itself.

    Args:
        width: d.
        hidden: Of the feed-forward part.
        heads: Of attention.
        map_first: Whether they look into the map first.
    """

    def __init__(self, width: int, hidden: int, heads: int, *, map_first: bool) -> None:
        super().__init__()
        self.among = BlockAttention(width, heads)
        self.among_norm = nn.LayerNorm(width)
        self.attend = CrossAttention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.forward_part = FeedForward(width, hidden)
        self.map_first = map_first

    def forward(
        self,
        content: Tensor,
        place: Tensor,
        cells: tuple[Tensor, Tensor],
        hidden: Tensor | None = None,
    ) -> Tensor:
        """Return the queries after the layer, [B, Q, d].

        Args:
            content: [B, Q, d].
            place: [Q, d].
            cells: Of the map: [B, T, d], and where they are, [T, d].
            hidden: [B, Q, T], bool; see :class:`CrossAttention`.
        """
        if self.map_first:
            content = self._look(content, place, cells, hidden)
        content = self.among_norm(content + self.among(content + place, content))
        if not self.map_first:
            content = self._look(content, place, cells, hidden)
        done: Tensor = self.forward_part(content)
        return done

    def _look(
        self, content: Tensor, place: Tensor, cells: tuple[Tensor, Tensor], hidden: Tensor | None
    ) -> Tensor:
        seen = self.attend(content + place, cells[0] + cells[1], cells[0], hidden)
        looked: Tensor = self.norm(content + seen)
        return looked


@MODELS.register_module()
class PlainMaskDecoder(nn.Module):
    """DETR's decoder: queries look at each other, then anywhere in one level.

    Args:
        inputs: c, channels of the level.
        width: d, also of the pixels; 4 divides it.
        count: Q.
        layers: How many.
        heads: Of attention.
        hidden: Of the feed-forward parts.
    """

    def __init__(
        self,
        inputs: int,
        width: int = 256,
        *,
        count: int = 100,
        layers: int = 6,
        heads: int = 8,
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        self.bring = nn.Conv2d(inputs, width, 1)
        self.place = nn.Parameter(torch.randn(count, width))
        self.layers = nn.ModuleList(
            MaskDecoderLayer(width, hidden, heads, map_first=False) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.draw = Mlp(width, width, 3)

    def forward(self, features: MaskFeatures) -> list[MaskQueries]:
        """Return what each layer says while training, else what the last one does."""
        cells = _cells(self.bring(features.levels[-1]))
        content = self.place.new_zeros(1, 1, 1).expand(len(cells[0]), *self.place.shape)
        said = []
        for layer in self.layers:
            content = layer(content, self.place, cells)
            said.append(self.norm(content))
        spoken = said if self.training else said[-1:]
        return [MaskQueries(v, _masks(self.draw(v), features.pixels)) for v in spoken]


@MODELS.register_module()
class MaskedMaskDecoder(nn.Module):
    """A query looks only where its own mask of the layer before lies (Mask2Former, Sec. 3.2).

    Layers take the levels in turn, the coarsest first. A query whose mask is empty looks anywhere.

    Args:
        inputs: c, channels of the levels; they are projected where they differ from ``width``.
        width: d, also of the pixels; 4 divides it.
        count: Q.
        levels: How many levels are looked into.
        layers: How many; there is an answer before the first one too.
        heads: Of attention.
        hidden: Of the feed-forward parts.
    """

    def __init__(
        self,
        inputs: int = 256,
        width: int = 256,
        *,
        count: int = 100,
        levels: int = 3,
        layers: int = 9,
        heads: int = 8,
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        same = inputs == width
        self.bring = nn.ModuleList(
            nn.Identity() if same else nn.Conv2d(inputs, width, 1) for _ in range(levels)
        )
        self.level_address = nn.Parameter(torch.randn(levels, width))
        self.content = nn.Parameter(torch.randn(count, width))
        self.place = nn.Parameter(torch.randn(count, width))
        self.layers = nn.ModuleList(
            MaskDecoderLayer(width, hidden, heads, map_first=True) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.draw = Mlp(width, width, 3)

    def forward(self, features: MaskFeatures) -> list[MaskQueries]:
        """Return what each layer says while training, else what the last one does."""
        parts = zip(self.bring, self.level_address, features.levels, strict=True)
        maps = [bring(level) + own[:, None, None] for bring, own, level in parts]
        content = self.content.expand(len(maps[0]), -1, -1)
        said = [self._say(content, features.pixels)]
        for index, layer in enumerate(self.layers):
            level = maps[-1 - index % len(maps)]
            hidden = _outside(said[-1].logits, level)
            content = layer(content, self.place, _cells(level), hidden)
            said.append(self._say(content, features.pixels))
        return said if self.training else said[-1:]

    def _say(self, content: Tensor, pixels: Tensor) -> MaskQueries:
        vectors = self.norm(content)
        return MaskQueries(vectors, _masks(self.draw(vectors), pixels))


def _cells(level: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cells of a map [B, d, h, w] as [B, T, d], and where they are, [T, d]."""
    width, h, w = level.shape[1:]
    return level.flatten(2).transpose(1, 2), grid_encoding(h, w, width, level.device)


def _masks(drawn: Tensor, pixels: Tensor) -> Tensor:
    return torch.einsum("bqd,bdhw->bqhw", drawn, pixels)


@torch.no_grad()
def _outside(logits: Tensor, level: Tensor) -> Tensor:
    """Return which cells of a level lie outside each mask, [B, Q, T]; none where all would."""
    size = level.shape[-2:]
    near = F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)
    outside = near.flatten(2) < 0
    return outside & ~outside.all(dim=2, keepdim=True)

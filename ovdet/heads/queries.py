"""The parts of detectors whose regions are queries: encoder, proposals, decoder.

Deformable DETR (Zhu et al., ICLR 2021) with two stages and boxes refined layer by layer. The batch
of pictures is one canvas: a smaller picture's padding is part of it, as for the other detectors.

Shapes: B images, L levels, T cells of all levels, N queries, K blocks of them, d width, M heads,
P points. "Parts" are centre x, centre y, width and height of a box as parts of the canvas.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ovdet.ops.attention import sine_encoding
from ovdet.ops.deform_attn import deform_attn
from ovdet.registry import MODELS


@dataclass
class Memory:
    """An encoded batch of images: what the queries look into.

    Attributes:
        tokens: [B, T, d].
        shapes: (h, w) of the L levels, finest first; T is the sum of their products.
    """

    tokens: Tensor
    shapes: list[tuple[int, int]]

    def centres(self) -> Tensor:
        """Return the centre of each cell, [T, 2], (x, y), parts."""
        return torch.cat([_centres(h, w, self.tokens.device) for h, w in self.shapes])

    def of_images(self, rows: Tensor) -> "Memory":
        """Return the memory of some images of the batch."""
        return Memory(self.tokens[rows], self.shapes)


@dataclass
class Queries:
    """N places of each image to look at.

    Attributes:
        content: [B, N, d], what is asked there.
        place: [B, N, d], where it is, added to the content as an address.
        boxes: [B, N, 4], parts.
    """

    content: Tensor
    place: Tensor
    boxes: Tensor


class Mlp(nn.Module):
    """Linear layers with ReLU between them, the inner ones as wide as the input.

    Args:
        width: Inputs.
        outputs: Outputs.
        layers: How many linear layers, at least 1.
    """

    def __init__(self, width: int, outputs: int, layers: int) -> None:
        super().__init__()
        inner: list[nn.Module] = []
        for _ in range(layers - 1):
            inner += [nn.Linear(width, width), nn.ReLU()]
        self.inner = nn.Sequential(*inner)
        self.last = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., width] to [..., outputs]."""
        y: Tensor = self.last(self.inner(x))
        return y


class BoxMover(nn.Module):
    """Moves boxes in the space before the sigmoid; an untrained one leaves them where they are.

    Args:
        width: d.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = Mlp(width, 4, 3)
        nn.init.zeros_(self.layers.last.weight)
        nn.init.zeros_(self.layers.last.bias)

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        """Return ``boxes`` [..., 4], parts, moved as ``x`` [..., d] says."""
        step: Tensor = self.layers(x).float()
        return (step + inverse_sigmoid(boxes.float())).sigmoid()


def inverse_sigmoid(parts: Tensor, eps: float = 1e-4) -> Tensor:
    """Return what the sigmoid turns into ``parts``, which are kept ``eps`` away from 0 and 1."""
    parts = parts.clamp(eps, 1 - eps)
    return torch.log(parts / (1 - parts))


def to_parts(boxes: Tensor, height: int, width: int) -> Tensor:
    """Turn boxes [..., 4], xyxy, px of a canvas of ``height`` x ``width`` px, into parts."""
    scale = boxes.new_tensor([width, height])
    low, high = boxes[..., :2] / scale, boxes[..., 2:] / scale
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def to_pixels(parts: Tensor, height: int, width: int) -> Tensor:
    """Turn parts [..., 4] into boxes, xyxy, px; undoes :func:`to_parts`."""
    scale = parts.new_tensor([width, height])
    centre, half = parts[..., :2] * scale, parts[..., 2:] * scale / 2
    return torch.cat([centre - half, centre + half], dim=-1)


class DeformableAttention(nn.Module):
    """Each query chooses where to look, near its place, in every level (Zhu 2021, Sec. 4.1).

    Args:
        width: d.
        heads: M; it divides ``width``.
        levels: L.
        points: P, points a level and head.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, *, heads: int, levels: int, points: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} heads for width {width}")
        self.size = (heads, levels, points)
        self.offsets = nn.Linear(width, heads * levels * points * 2)
        self.weights = nn.Linear(width, heads * levels * points)
        self.values = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        self._init_weights()

    def _init_weights(self) -> None:
        """Start with each head looking in a direction of its own, one step further a point."""
        heads, levels, points = self.size
        turn = torch.arange(heads) * (2 * math.pi / heads)
        ways = torch.stack([turn.cos(), turn.sin()], dim=-1)
        ways = ways / ways.abs().amax(dim=-1, keepdim=True)  # on a square: whole cells
        steps = torch.arange(1, points + 1, dtype=torch.float32)
        start = ways[:, None, None] * steps[None, None, :, None].expand(heads, levels, points, 1)
        nn.init.zeros_(self.offsets.weight)
        with torch.no_grad():
            self.offsets.bias.copy_(start.flatten())
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        for layer in (self.values, self.project):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, references: Tensor, memory: Memory) -> Tensor:
        """Return [B, Q, d], what the queries see.

        Args:
            queries: [B, Q, d], content with place.
            references: [B or 1, Q, 4], parts, then offsets are measured in the boxes; or
                [B or 1, Q, 2], centres, then they are measured in cells of the level read.
            memory: What is looked at.
        """
        batch, count = queries.shape[:2]
        heads, levels, points = self.size
        values = self.values(memory.tokens).view(batch, -1, heads, queries.shape[-1] // heads)
        offsets = self.offsets(queries).float().view(batch, count, heads, levels, points, 2)
        weights = self.weights(queries).float().view(batch, count, heads, levels * points)
        weights = weights.softmax(dim=-1).view(batch, count, heads, levels, points)
        spot = references[:, :, None, None, None]
        if references.shape[-1] == 2:
            cells = offsets.new_tensor([(w, h) for h, w in memory.shapes])
            step = 1 / cells[:, None]  # [L, 1, 2]
        else:
            step = spot[..., 2:] * (0.5 / points)  # the last point of the start lies on the edge
        locations = spot[..., :2] + offsets * step
        seen = deform_attn(values, memory.shapes, locations, weights)
        out: Tensor = self.project(seen)
        return out


class BlockAttention(nn.Module):
    """The queries of a block look at each other (Vaswani 2017, Sec. 3.2).

    Written out: on a CPU the fused kernel's backward takes most of a step on short rows.

    Args:
        width: d.
        heads: M; it divides ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.compare = nn.Linear(width, 2 * width)
        self.values = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        for layer in (self.compare, self.values, self.project):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, addressed: Tensor, content: Tensor) -> Tensor:
        """Return [G, N, d], what each of N queries of G blocks hears from the others of its own.

        Args:
            addressed: [G, N, d], content with place, what is compared.
            content: [G, N, d], what is passed on.
        """
        ask, answer = (self._split(x) for x in self.compare(addressed).chunk(2, dim=-1))
        scores = (ask @ answer.transpose(-2, -1)) * ask.shape[-1] ** -0.5
        values = self._split(self.values(content))
        mixed = scores.softmax(dim=-1).to(values.dtype) @ values  # [G, M, N, d / M]
        out: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear maps with a shortcut, normalised after it.

    Args:
        width: d.
        hidden: Between the maps.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., d] to [..., d]."""
        y: Tensor = self.norm(x + self.layers(x))
        return y


class EncoderLayer(nn.Module):
    """Cells look at cells of all levels.

    Args:
        width: d.
        hidden: Of the feed-forward part.
        heads: M.
        levels: L.
        points: P.
    """

    def __init__(self, width: int, hidden: int, *, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.attend = DeformableAttention(width, heads=heads, levels=levels, points=points)
        self.norm = nn.LayerNorm(width)
        self.forward_part = FeedForward(width, hidden)

    def forward(self, memory: Memory, addresses: Tensor) -> Memory:
        """Return the memory after the layer; ``addresses`` [T, d] say where each cell is."""
        tokens, centres = memory.tokens, memory.centres()[None]
        tokens = self.norm(tokens + self.attend(tokens + addresses, centres, memory))
        return Memory(self.forward_part(tokens), memory.shapes)


@MODELS.register_module()
class QueryEncoder(nn.Module):
    """A trunk's levels to tokens that know of each other.

    Args:
        widths: Channels of the trunk's levels that are read, the coarsest it has, finest first.
        width: d; 4 divides it.
        extra: Coarser levels added, each half as fine as the one before.
        layers: Layers of attention; 0 leaves each cell what the trunk made of it.
        heads: M.
        points: P.
        hidden: Of the feed-forward parts.
    """

    def __init__(
        self,
        widths: Sequence[int],
        width: int = 256,
        *,
        extra: int = 0,
        layers: int = 6,
        heads: int = 8,
        points: int = 4,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        groups = math.gcd(32, width)

        def bring(inputs: int, side: int) -> nn.Module:
            conv = nn.Conv2d(inputs, width, side, stride=2 if side > 1 else 1, padding=side // 2)
            return nn.Sequential(conv, nn.GroupNorm(groups, width))

        self.bring = nn.ModuleList(bring(inputs, 1) for inputs in widths)
        coarser = [widths[-1], *[width] * (extra - 1)][:extra]
        self.extra = nn.ModuleList(bring(inputs, 3) for inputs in coarser)
        self.levels = len(widths) + extra
        address = nn.Parameter(torch.randn(self.levels, width)) if layers else None
        self.register_parameter("level_address", address)
        size = {"heads": heads, "levels": self.levels, "points": points}
        self.layers = nn.ModuleList(EncoderLayer(width, hidden, **size) for _ in range(layers))
        self.width = width

    def forward(self, levels: list[Tensor]) -> Memory:
        """Encode levels [B, c, h, w], finest first; there may be finer ones than are read."""
        used = levels[-len(self.bring) :]
        maps = [bring(level) for bring, level in zip(self.bring, used, strict=True)]
        last = levels[-1]
        for bring in self.extra:
            last = bring(last)
            maps.append(last)
        shapes = [(one.shape[2], one.shape[3]) for one in maps]
        tokens = torch.cat([one.flatten(2).transpose(1, 2) for one in maps], dim=1)
        memory = Memory(tokens, shapes)
        if len(self.layers):
            addresses = self._addresses(memory)
            for layer in self.layers:
                memory = layer(memory, addresses)
        return memory

    def _addresses(self, memory: Memory) -> Tensor:
        counts = torch.tensor([h * w for h, w in memory.shapes], device=memory.tokens.device)
        of_level = self.get_parameter("level_address").repeat_interleave(counts, dim=0)
        return sine_encoding(memory.centres(), self.width // 2) + of_level


def _centres(height: int, width: int, device: torch.device) -> Tensor:
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / width
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], dim=-1).flatten(0, 1)


class DecoderLayer(nn.Module):
    """Queries look at those of their block, then at the image.

    Args:
        width: d.
        hidden: Of the feed-forward part.
        heads: M.
        levels: L.
        points: P.
    """

    def __init__(self, width: int, hidden: int, *, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.among = BlockAttention(width, heads)
        self.among_norm = nn.LayerNorm(width)
        self.attend = DeformableAttention(width, heads=heads, levels=levels, points=points)
        self.norm = nn.LayerNorm(width)
        self.forward_part = FeedForward(width, hidden)

    def forward(self, content: Tensor, place: Tensor, boxes: Tensor, memory: Memory) -> Tensor:
        """Return the queries after the layer, [B, K, N, d].

        Args:
            content: [B, K, N, d].
            place: [B, 1, N, d].
            boxes: [B, K, N, 4], parts.
            memory: Of the B images, shared by the blocks.
        """
        batch, blocks, count, width = content.shape
        # A block is a row of the batch here: that no query sees another block needs no mask of
        # (K N)^2 entries then, and costs K N^2 instead.
        own = content.flatten(0, 1)
        mixed = self.among((content + place).flatten(0, 1), own)
        own = self.among_norm(own + mixed).view(batch, blocks, count, width)
        asked = (own + place).flatten(1, 2)  # [B, KN, d]
        seen = self.attend(asked, boxes.flatten(1, 2), memory)
        done: Tensor = self.forward_part(self.norm(own + seen.view_as(own)))
        return done


@MODELS.register_module()
class QueryDecoder(nn.Module):
    """Layers that turn queries into objects, each moving the boxes a little.

    Args:
        width: d.
        levels: L, of the memory.
        layers: How many.
        heads: M.
        points: P.
        hidden: Of the feed-forward parts.
    """

    def __init__(
        self,
        width: int = 256,
        levels: int = 4,
        *,
        layers: int = 6,
        heads: int = 8,
        points: int = 4,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        size = {"heads": heads, "levels": levels, "points": points}
        self.layers = nn.ModuleList(DecoderLayer(width, hidden, **size) for _ in range(layers))
        self.movers = nn.ModuleList(BoxMover(width) for _ in range(layers))

    def forward(
        self, memory: Memory, queries: Queries, asked: Tensor | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Decode.

        Args:
            memory: Of B images.
            queries: N in each image.
            asked: [K, d], or [B, K, d] for each image its own, added to the content of all queries
                of block k; one block, with nothing added, where None.

        Returns:
            For each layer the queries [B, K, N, d] and their boxes [B, K, N, 4], parts.
        """
        content, place = queries.content[:, None], queries.place[:, None]
        boxes = queries.boxes[:, None]
        if asked is not None:
            content = content + asked[..., None, :]
            boxes = boxes.expand(-1, asked.shape[-2], -1, -1)
        decoded = []
        for layer, mover in zip(self.layers, self.movers, strict=True):
            content = layer(content, place, boxes, memory)
            moved = mover(content, boxes)
            decoded.append((content, moved))
            boxes = moved.detach()  # each layer answers for its own step
        return decoded

"""Pseudo words: what a region says, in the space of the text tower's token table.

Shapes: R regions, n words of a region, W width of the token table, S sentences, T words of a
sentence, D embedding width.
"""

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from ovdet.ops import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions
from ovdet.text import TextEncoder
from ovdet.text.tokenizer import END, START

_OCTAVE = 1.2  # from one frequency of the positions to the next
_FREQUENCIES = 64


@MODELS.register_module()
class BaronEmbedder(nn.Module):
    """A region's pseudo words as a sentence of their own, through the frozen text tower (Eq. 1).

    Args:
        regions: Pools regions to hidden features and projects these to n W values (``hidden`` and
            ``project``).
        encoder: The text tower, causal. Frozen here; gradients pass through it.
        words: n.
        dropout: Chance in training that a word is left out, in [0, 1). One always stays.

    Raises:
        InputError: If the tower is not causal, the projection has no n W outputs, or the dropout
            is no chance.
    """

    def __init__(
        self, regions: nn.Module, encoder: TextEncoder, *, words: int = 4, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if not encoder.causal:
            raise InputError("the text tower must be causal: what follows END must not be seen")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must lie in [0, 1), got {dropout}")
        self.regions: Any = regions
        self.encoder = encoder.requires_grad_(requires_grad=False).eval()
        self.count = words
        self.dropout = dropout
        self.width = encoder.embed_ids(torch.tensor([[START]])).shape[-1]
        project: Any = regions.project
        if project.out_features != words * self.width:
            raise InputError(
                f"the projection must give {words} words x {self.width} = {words * self.width} "
                f"values, got {project.out_features}"
            )

    def hidden(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, F], what the box head reads too."""
        features: Tensor = self.regions.hidden(levels, regions, image_size)
        return features

    def words(self, hidden: Tensor) -> Tensor:
        """Map [R, F] to the pseudo words [R, n, W]."""
        values: Tensor = self.regions.project(hidden)
        return values.view(len(hidden), self.count, self.width)

    def embed(self, hidden: Tensor) -> Tensor:
        """Map [R, F] to [R, D], unit norm."""
        return self.speak(self.words(hidden))

    def speak(self, words: Tensor) -> Tensor:
        """Read each region's words [R, n, W] as a sentence of its own: [R, D], unit norm."""
        return self.read(words, self.keep(words.shape[:-1], words.device))

    def forward(self, levels: list[Tensor], regions: Regions, image_size: int) -> Tensor:
        """Return [R, D], unit norm."""
        return self.embed(self.hidden(levels, regions, image_size))

    def keep(self, shape: torch.Size | tuple[int, ...], device: torch.device) -> Tensor:
        """Draw which words stay: bool, of ``shape`` [..., n]; all of them outside training."""
        if not self.training or self.dropout == 0:
            return torch.ones(shape, dtype=torch.bool, device=device)
        kept = torch.rand(shape, device=device) >= self.dropout
        first = torch.arange(shape[-1], device=device) == 0
        return kept | (first & ~kept.any(dim=-1, keepdim=True))

    def read(self, words: Tensor, kept: Tensor) -> Tensor:
        """Read sentences of pseudo words.

        Args:
            words: [S, T, W].
            kept: [S, T], bool: the words that are there; they close ranks. At least one a sentence.

        Returns:
            [S, D], unit norm.

        Raises:
            InputError: If a sentence is longer than the tower's context.
        """
        if len(words) == 0:
            return words.sum() * 0 + words.new_zeros(0, self.encoder.dim)
        count = kept.sum(dim=1)  # [S]
        longest = int(count.max())
        room = self.encoder.tokenizer.context - 2
        if longest > room:
            raise InputError(f"a sentence must have at most {room} words, got {longest}")
        order = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
        packed = words.gather(1, order[..., None].expand(-1, -1, words.shape[2]))
        ids = torch.tensor([START, END], device=words.device)
        start, end = self.encoder.embed_ids(ids[None])[0].to(words.dtype)  # [W] each
        marks = [mark.expand(len(words), 1, -1) for mark in (start, end)]
        rows = torch.cat([marks[0], packed, marks[1]], dim=1)
        place = torch.arange(longest + 2, device=words.device)
        ended = place >= count[:, None] + 1  # END behind the last word; the rest is not seen
        read = self.encoder.read(torch.where(ended[..., None], end, rows), count + 1)
        return unit_norm(read.to(torch.promote_types(read.dtype, torch.float32)))

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; the text tower stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self


@MODELS.register_module()
class BaronPositions(nn.Module):
    """Where a region lies in its bag, as something to add to its words.

    Args:
        words: n.
        width: W.
        hidden: Width between the two linear maps.
    """

    def __init__(self, words: int, width: int, *, hidden: int = 512) -> None:
        super().__init__()
        self.shape = (words, width)
        self.layers = nn.Sequential(
            nn.Linear(8 * _FREQUENCIES, hidden),
            nn.LayerNorm(hidden),
            nn.Linear(hidden, words * width),
        )

    def forward(self, boxes: Tensor, spans: Tensor) -> Tensor:
        """Return [..., n, W].

        Args:
            boxes: [..., 4], xyxy, px.
            spans: [..., 4], xyxy, px, the box that holds a whole bag.
        """
        added: Tensor = self.layers(_waves(_relative(boxes, spans)))
        return added.reshape(*added.shape[:-1], *self.shape)


def _relative(boxes: Tensor, spans: Tensor) -> Tensor:
    """Return centre and sides [..., 4] of boxes, as parts of the spans."""
    side = (spans[..., 2:] - spans[..., :2]).clamp(min=1e-6)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 - spans[..., :2]
    return torch.cat([centre / side, (boxes[..., 2:] - boxes[..., :2]) / side], dim=-1)


def _waves(places: Tensor) -> Tensor:
    """Return sines and cosines [..., 8 x 64] of places [..., 4] at 64 frequencies, 1.2 apart."""
    powers = torch.arange(_FREQUENCIES, device=places.device) - _FREQUENCIES // 2
    angles = 2 * math.pi * places[..., None].double() * _OCTAVE ** powers.double()
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1)  # [..., 4, 64, 2]
    return waves.flatten(-3).to(places.dtype)

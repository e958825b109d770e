"""Class-agnostic proposals of an encoder's tokens, and the queries that start from them.

The first stage of two-stage Deformable DETR (Zhu et al., ICLR 2021, App. A.4).

Shapes: B images, T cells of all levels, N queries, d width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ovdet.heads.queries import BoxMover, Memory, Queries, QueryEncoder, to_pixels
from ovdet.heads.sets import SetCriterion, prior_bias
from ovdet.ops.attention import sine_encoding
from ovdet.registry import MODELS
from ovdet.structures import Regions

_CONTENTS = ("place", "token")


@dataclass
class Outlook:
    """What the encoder sees: each of T cells with a guess at an object.

    Attributes:
        memory: The encoded images.
        tokens: [B, T, d], the cells as the proposal head reads them.
        logits: [B, T], objectness.
        boxes: [B, T, 4], parts.
        best: [B, N], int64, the cells the queries start from, best first.
    """

    memory: Memory
    tokens: Tensor
    logits: Tensor
    boxes: Tensor
    best: Tensor


@MODELS.register_module()
class QueryProposals(nn.Module):
    """Every token guesses one box; the best become regions, and queries to decode.

    Args:
        encoder: Levels to a ``Memory``; has ``width``.
        criterion: Teaches the guesses, which know one class: object.
        count: N.
        content: What a query asks at first: ``place``, a function of its box alone (Deformable
            DETR), or ``token``, what the encoder saw there besides.
        size: Side of a cell's first guess at the finest level, a part of the canvas; twice as much
            at each coarser level.
        prior: Objectness of every cell before training.

    Raises:
        ValueError: If ``content`` is neither.
    """

    def __init__(
        self,
        encoder: QueryEncoder,
        criterion: SetCriterion,
        *,
        count: int = 300,
        content: str = "place",
        size: float = 0.05,
        prior: float = 0.01,
    ) -> None:
        super().__init__()
        if content not in _CONTENTS:
            raise ValueError(f"content must be one of {_CONTENTS}, got {content!r}")
        width = encoder.width
        self.encoder = encoder
        self.criterion = criterion
        self.count = count
        self.size = size
        self.read = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.objectness = nn.Linear(width, 1)
        nn.init.constant_(self.objectness.bias, prior_bias(prior))
        self.mover = BoxMover(width)
        self.address = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.LayerNorm(2 * width))
        self.token_content = content == "token"

    def forward(
        self, levels: list[Tensor], images: Tensor, truth: list[Regions] | None = None
    ) -> tuple[Regions, dict[str, Tensor]]:
        """Propose regions.

        Args:
            levels: [B, c, h, w] each, finest first.
            images: [B, 3, H, W], read for its size alone.
            truth: Each image's objects; without it nothing is learnt.

        Returns:
            The regions of the batch, scored by objectness, best first within an image, and the
            ``loss_proposal_*`` where ``truth`` is given.
        """
        outlook = self.look(levels)
        losses = {} if truth is None else self.loss(outlook, truth, images)
        return self.regions(outlook, images), losses

    def look(self, levels: list[Tensor]) -> Outlook:
        """Encode the levels and let every token guess."""
        memory: Memory = self.encoder(levels)
        tokens: Tensor = self.read(memory.tokens)
        logits: Tensor = self.objectness(tokens)[..., 0].float()
        boxes = self.mover(tokens, self._first_guesses(memory))
        best = logits.topk(min(self.count, logits.shape[1]), dim=1).indices
        return Outlook(memory, tokens, logits, boxes, best)

    def _first_guesses(self, memory: Memory) -> Tensor:
        """Return a square about each cell's centre, [1, T, 4], parts."""
        sides = [self.size * 2**level for level in range(len(memory.shapes))]
        counts = [height * width for height, width in memory.shapes]
        side = torch.tensor(sides).repeat_interleave(torch.tensor(counts))[:, None]
        side = side.to(memory.tokens.device)
        return torch.cat([memory.centres(), side, side], dim=1)[None]

    def regions(self, outlook: Outlook, images: Tensor) -> Regions:
        """Return the N best guesses of each image as regions, px, clipped to the canvas."""
        height, width = images.shape[-2:]
        boxes = to_pixels(_pick(outlook.boxes.detach(), outlook.best), height, width)
        limit = boxes.new_tensor([width, height, width, height])
        scores = outlook.logits.detach().gather(1, outlook.best).sigmoid()
        owner = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
        return Regions(boxes.flatten(0, 1).clamp(min=0).minimum(limit), owner, scores.flatten())

    def queries(self, outlook: Outlook) -> Queries:
        """Return the queries that start from the best guesses; those are not taught by them."""
        boxes = _pick(outlook.boxes, outlook.best).detach()
        waves = sine_encoding(boxes, outlook.tokens.shape[-1] // 2)
        content, place = self.address(waves).chunk(2, dim=-1)
        if self.token_content:
            content = content + _pick(outlook.tokens, outlook.best)
        return Queries(content, place, boxes)

    def loss(
        self, outlook: Outlook, truth: Sequence[Regions | None], images: Tensor
    ) -> dict[str, Tensor]:
        """Return the losses of all guesses, ``loss_proposal_*``.

        Args:
            outlook: What was guessed.
            truth: Each image's objects, px; None for an image that nothing is learnt from.
            images: [B, 3, H, W], read for its size alone.
        """
        known = [(i, one.with_(labels=None)) for i, one in enumerate(truth) if one is not None]
        rows = torch.tensor([i for i, _ in known], device=images.device, dtype=torch.int64)
        size = (images.shape[-2], images.shape[-1])
        losses, _ = self.criterion(
            outlook.logits[rows][..., None],
            to_pixels(outlook.boxes[rows], *size),
            [one for _, one in known],
            size,
        )
        return {f"loss_proposal_{name}": value for name, value in losses.items()}


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """Return [B, N, d] of [B, T, d] at [B, N]."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))

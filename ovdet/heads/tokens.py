"""A dense head whose every place is compared with every token.

Shapes: B images, P places, C classes, T tokens a class, N tokens that are classes' own, c D widths
of image and text.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovdet.ops import decode_deltas, unit_norm
from ovdet.registry import MODELS
from ovdet.structures import DensePrediction, Text

_LIMIT = 50_000.0
_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
_POOLS = ("mean", "max")
_RARE = 0.01  # share of places that a token names before anything is learnt


@MODELS.register_module()
class TokenDotHead(nn.Module):
    """One square anchor a place, its box, its centerness, and its product with each token (GLIP).

    Args:
        width: c.
        dim: D.
        sizes: Side of the anchors of each level, px, finest first; no two alike.
        tower: Levels to levels, in front of all three answers.
        pool: How the tokens of a class give its score: ``mean`` or ``max`` of probabilities.

    Raises:
        ValueError: If two sizes are alike or ``pool`` is unknown.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        sizes: Sequence[int],
        *,
        tower: Sequence[nn.Module] = (),
        pool: str = "mean",
    ) -> None:
        super().__init__()
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"sizes must differ from level to level, got {list(sizes)}")
        if pool not in _POOLS:
            raise ValueError(f"pool must be one of {_POOLS}, got {pool!r}")
        self.sizes = tuple(sizes)
        self.tower = nn.Sequential(*tower)
        self.pool = pool
        self.deltas = nn.Conv2d(width, 4, 1)
        self.centre = nn.Conv2d(width, 1, 1)
        self.level_scales = nn.Parameter(torch.ones(len(sizes)))
        self.project = nn.Linear(dim, width)
        self.token_shift = nn.Parameter(torch.zeros(dim))
        self.shift = nn.Parameter(torch.tensor(-math.log((1 - _RARE) / _RARE)))
        self.log_scale = nn.Parameter(torch.zeros(()))
        for layer in (self.deltas, self.centre):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, levels: list[Tensor], text: Text, images: Tensor) -> DensePrediction:
        """Answer at every place.

        Args:
            levels: [B, c, h, w] each, as many as there are sizes.
            text: Tokens [C, T, D], or [B, C, T, D] behind a fusion; classes alone count as one
                token each.
            images: [B, 3, H, W], read for their size alone.

        Returns:
            ``logits`` [B, P, N]; ``quality``, the centerness.

        Raises:
            ValueError: If there are more or fewer levels than sizes.
        """
        if len(levels) != len(self.sizes):
            raise ValueError(f"the head has {len(self.sizes)} sizes, got {len(levels)} levels")
        levels = self.tower(levels)
        places = torch.cat(
            [_anchors(v, s, images) for v, s in zip(levels, self.sizes, strict=True)]
        )
        deltas = [self.deltas(v) * s for v, s in zip(levels, self.level_scales, strict=True)]
        moved = _by_place(deltas).float()
        anchors = places.expand(len(images), -1, 4).flatten(0, 1)
        boxes = decode_deltas(anchors, moved.flatten(0, 1), _WEIGHTS).view(moved.shape)
        features = _by_place(levels)
        length = features.float().norm(dim=-1)
        found = DensePrediction(
            boxes=boxes,
            logits=features,
            places=places,
            quality=_by_place([self.centre(v) for v in levels])[..., 0],
            embeddings=unit_norm(features),
            scale=length,
        )
        found.logits = self.compare(found, text)
        return found

    def compare(self, prediction: DensePrediction, text: Text) -> Tensor:
        """Return the logits of the same places for other text, [B, P, N].

        Raises:
            ValueError: If the prediction has no embeddings.
        """
        if prediction.embeddings is None or prediction.scale is None:
            raise ValueError("places can only be compared by their embeddings and scales")
        tokens = unit_norm(own_tokens(text))  # [N, D] or [B, N, D]
        weights = self.project(tokens / 2)
        shift = tokens @ self.token_shift + self.shift
        places = prediction.embeddings * prediction.scale[..., None].to(weights.dtype)
        products = (places @ weights.transpose(-2, -1)).float() / self.log_scale.exp()
        logits: Tensor = products + (shift[:, None] if shift.ndim == 2 else shift)
        return logits.clamp(-_LIMIT, _LIMIT)

    def scores(self, logits: Tensor, text: Text) -> Tensor:
        """Turn token logits [B, P, N] into class scores [B, P, C], 0 where one is not asked for."""
        owners, classes = token_owners(text), len(text.classes)
        probabilities = logits.sigmoid()
        zeros = probabilities.new_zeros(*logits.shape[:2], classes)
        index = owners.expand_as(probabilities)
        how = "mean" if self.pool == "mean" else "amax"
        scores = zeros.scatter_reduce(2, index, probabilities, how, include_self=False)
        return scores if text.asked is None else scores * text.asked[:, None]


def own_tokens(text: Text) -> Tensor:
    """Return the tokens that are classes' own, [N, D], or [B, N, D] behind a fusion."""
    if text.tokens is None:
        return text.classes
    own = _own(text)
    return text.tokens[own] if text.tokens.ndim == 3 else text.tokens[:, own]


def token_owners(text: Text) -> Tensor:
    """Return the class of each of these tokens, [N], int64."""
    if text.tokens is None:
        return torch.arange(len(text.classes), device=text.classes.device)
    return _own(text).nonzero()[:, 0]


def _own(text: Text) -> Tensor:
    own = text.token_mask if text.own is None else text.own
    if own is None:
        raise ValueError("text with tokens must say which of them are real")
    return own


def _by_place(levels: list[Tensor]) -> Tensor:
    """Return levels [B, k, h, w] as [B, P, k]."""
    return torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)


def _anchors(level: Tensor, size: int, images: Tensor) -> Tensor:
    """Return the square anchors [h * w, 4] about the centres of a level's cells."""
    rows, columns = level.shape[-2:]
    high, wide = images.shape[-2] / rows, images.shape[-1] / columns
    y = (torch.arange(rows, device=level.device) + 0.5) * high
    x = (torch.arange(columns, device=level.device) + 0.5) * wide
    y, x = (part.flatten() for part in torch.meshgrid(y, x, indexing="ij"))
    return torch.stack([x - size / 2, y - size / 2, x + size / 2, y + size / 2], dim=1)

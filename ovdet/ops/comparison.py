"""Regions, names, and how their cosine becomes a probability.

Shapes: R regions, C classes, D width, N background vectors.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ovdet.structures import InputError


@dataclass(frozen=True)
class Comparison:
    """Regions and names that are compared by their scaled products.

    Attributes:
        embeddings: [R, D].
        classes: [C, D].
        scale: Inverse temperature, above 0: it multiplies the products.
        softmax: Whether the names of a region share a probability of 1; else each is asked by
            itself, through a sigmoid.
        background: [N, D], vectors that take their share of a softmax and are no name.
        bias: [C], added to the scaled products, or None.
        groups: [C], int64, a number for each name; None where each is by itself. Names of one
            number mean the same: the best of them alone takes a share of a softmax, so that a
            synonym costs nothing. They then need not sum to 1.

    Raises:
        InputError: If shapes disagree, ``scale`` is not above 0, or there is a background or
            groups without a softmax.
    """

    embeddings: Tensor
    classes: Tensor
    scale: float = 1.0
    softmax: bool = False
    background: Tensor | None = None
    bias: Tensor | None = None
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        shapes = [list(part.shape) for part in (self.embeddings, self.classes)]
        if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
            raise InputError(f"embeddings and classes must be [R, D] and [C, D], got {shapes}")
        if not self.scale > 0:
            raise InputError(f"scale must be above 0, got {self.scale}")
        if self.background is not None:
            self._check_background(self.background)
        if self.bias is not None and self.bias.shape != self.classes.shape[:1]:
            raise InputError(f"bias must be {shapes[1][:1]}, got {list(self.bias.shape)}")
        if self.groups is not None and not self.softmax:
            raise InputError("groups share a softmax alone, got some with a sigmoid")
        if self.groups is not None and self.groups.shape != self.classes.shape[:1]:
            raise InputError(f"groups must be {shapes[1][:1]}, got {list(self.groups.shape)}")

    def _check_background(self, background: Tensor) -> None:
        if not self.softmax:
            raise InputError("a background takes part in a softmax alone, got one with a sigmoid")
        if background.ndim != 2 or background.shape[1] != self.classes.shape[1]:
            width = self.classes.shape[1]
            raise InputError(f"background must be [N, {width}], got {list(background.shape)}")

    def wide(self) -> "Comparison":
        """Return the same in at least float32: the scale multiplies a half product's rounding."""
        both = torch.promote_types(self.embeddings.dtype, self.classes.dtype)
        wide = torch.promote_types(both, torch.float32)
        return replace(
            self,
            embeddings=self.embeddings.to(wide),
            classes=self.classes.to(wide),
            background=None if self.background is None else self.background.to(wide),
            bias=None if self.bias is None else self.bias.to(wide),
        )

    def logits(self, rows: slice | Tensor) -> Tensor:
        """Return the logits [r, C + N] of some regions, the background last."""
        against = self.classes
        if self.background is not None:
            against = torch.cat([against, self.background.to(against.dtype)])
        logits = (self.embeddings[rows] * self.scale) @ against.T
        if self.bias is not None:
            logits[:, : len(self.bias)] += self.bias
        return logits

    def probabilities(self, rows: slice | Tensor) -> Tensor:
        """Return the probabilities [r, C] of some regions, in [0, 1]."""
        logits = self.logits(rows)
        if not self.softmax:
            return logits.sigmoid_()
        if self.groups is not None:
            return self._of_groups(logits, self.groups).exp_()
        return logits.softmax(dim=1)[:, : len(self.classes)]

    def keys(self, rows: slice | Tensor) -> Tensor:
        """Return what pairs are ranked by, [r, C]: logits, or logarithms of the softmax.

        A sigmoid's logits still differ where it has reached 1.
        """
        logits = self.logits(rows)
        if not self.softmax:
            return logits
        if self.groups is not None:
            return self._of_groups(logits, self.groups)
        return logits.log_softmax(dim=1)[:, : len(self.classes)]

    def _of_groups(self, logits: Tensor, groups: Tensor) -> Tensor:
        """Return logarithms of a softmax that counts the best of each group, [r, C]."""
        count = len(self.classes)
        _, place = torch.unique(groups, return_inverse=True)
        best = logits.new_full((len(logits), int(place.max()) + 1 if count else 0), -math.inf)
        best = best.scatter_reduce(1, place.expand(len(logits), -1), logits[:, :count], "amax")
        total = torch.cat([best, logits[:, count:]], dim=1).logsumexp(dim=1, keepdim=True)
        return logits[:, :count] - total

    def scores(self, keys: Tensor) -> Tensor:
        """Return the probabilities that keys stand for."""
        return keys.exp() if self.softmax else keys.sigmoid()

    def floor(self, threshold: float) -> float:
        """Return a key below which no score is above ``threshold``."""
        if threshold <= 0:
            return -math.inf
        if threshold >= 1:
            return math.inf
        key = math.log(threshold)
        if not self.softmax:
            key -= math.log1p(-threshold)
        return key - 1e-4 * (1 + abs(key))  # the rounding of either side

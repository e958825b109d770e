"""Tokens: several vectors of one thing, the places of a picture or the words of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.structures.errors import InputError


@dataclass
class Tokens:
    """N sets of vectors, padded to the largest of them. A pooled vector is a set of one.

    Attributes:
        vectors: [N, T, D], unit norm where they are real.
        mask: [N, T], True where a vector is real; None where all are.

    Raises:
        InputError: If the shapes disagree.
    """

    vectors: Tensor
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 3:
            raise InputError(f"vectors must be [N, T, D], got {list(self.vectors.shape)}")
        if self.mask is not None and self.mask.shape != self.vectors.shape[:2]:
            raise InputError(
                f"mask must be {list(self.vectors.shape[:2])} as the vectors, "
                f"got {list(self.mask.shape)}"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: Tensor | slice) -> "Tokens":
        """Return the sets that an index tensor, a bool mask or a slice picks."""
        return Tokens(self.vectors[index], None if self.mask is None else self.mask[index])

    def split(self, sizes: Sequence[int]) -> list["Tokens"]:
        """Return the first so many sets, the next so many, and so on: N in all."""
        ends = list(accumulate(sizes))
        return [self[end - size : end] for size, end in zip(sizes, ends, strict=True)]

    @property
    def real(self) -> Tensor:
        """[N, T], bool: the mask, written out where it is None."""
        if self.mask is not None:
            return self.mask
        return torch.ones(self.vectors.shape[:2], dtype=torch.bool, device=self.vectors.device)

    def to(self, target: torch.device | str | torch.dtype) -> "Tokens":
        """Return the sets on a device, or their vectors in another type."""
        if isinstance(target, torch.dtype):
            return Tokens(self.vectors.to(target), self.mask)
        mask = None if self.mask is None else self.mask.to(target)
        return Tokens(self.vectors.to(target), mask)

    def padded(self, length: int) -> "Tokens":
        """Return the sets with room for ``length`` vectors each, at least T; zeros fill it."""
        room = length - self.vectors.shape[1]
        if room == 0:
            return self
        return Tokens(F.pad(self.vectors, (0, 0, 0, room)), F.pad(self.real, (0, room)))

    @classmethod
    def cat(cls, parts: Sequence["Tokens"]) -> "Tokens":
        """Return the sets of several records, at least one, as one record."""
        length = max(part.vectors.shape[1] for part in parts)
        parts = [part.padded(length) for part in parts]
        whole = all(part.mask is None for part in parts)
        mask = None if whole else torch.cat([part.real for part in parts])
        return cls(torch.cat([part.vectors for part in parts]), mask)

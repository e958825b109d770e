"""A memory of embeddings from earlier steps, as further negatives of a contrast."""

import torch
from torch import Tensor, nn


class FeatureQueue(nn.Module):
    """The last embeddings that were put in, each with the id of its image. Saved with the model.

    Args:
        dim: D.
        length: Most that are kept; 0 keeps none.

    Raises:
        ValueError: If ``length`` is negative.
    """

    stored: Tensor
    images: Tensor
    pushed: Tensor

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        if length < 0:
            raise ValueError(f"length must be 0 or more, got {length}")
        self.register_buffer("stored", torch.zeros(length, dim))
        self.register_buffer("images", torch.zeros(length, dtype=torch.int64))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))  # ever, all together

    def __len__(self) -> int:
        return min(int(self.pushed), len(self.stored))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return a copy of what is there: embeddings [Q, D] and the ids of their images, [Q]."""
        count = len(self)
        return self.stored[:count].clone(), self.images[:count].clone()

    @torch.no_grad()
    def push(self, embeddings: Tensor, images: Tensor) -> None:
        """Put in [N, D] and the ids of their images, [N], int64; the oldest make room."""
        length = len(self.stored)
        if length == 0:
            return
        total = int(self.pushed) + len(embeddings)
        embeddings, images = embeddings[-length:], images[-length:]
        place = torch.arange(total - len(embeddings), total, device=self.stored.device) % length
        self.stored[place] = embeddings.to(self.stored.dtype)
        self.images[place] = images.to(self.images.device)
        self.pushed.fill_(total)

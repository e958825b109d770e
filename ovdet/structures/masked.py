"""MaskQueries: what a decoder layer says of its queries, each a mask and a vector."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.structures.regions import Regions


@dataclass
class MaskQueries:
    """Q queries in each of B images.

    Attributes:
        vectors: [B, Q, c], what each query has gathered.
        logits: [B, Q, h, w], whose sigmoid is its mask, over the whole canvas.
        matches: [B, Q], int64, the index of the object among its image's truth that a query learns
            from, -1 for none; None where nothing is learnt.
    """

    vectors: Tensor
    logits: Tensor
    matches: Tensor | None = None

    def of_images(self, rows: Tensor) -> "MaskQueries":
        """Return what is said of some images of the batch, by index or bool mask."""
        matches = None if self.matches is None else self.matches[rows]
        return MaskQueries(self.vectors[rows], self.logits[rows], matches)

    def regions(self, height: int, width: int) -> Regions:
        """Return the queries as B * Q regions, image by image.

        Args:
            height: H of the canvas, px.
            width: W of the canvas, px.

        Returns:
            Boxes that are the canvas, so that ``masks`` [R, h, w], in [0, 1], lie over the box;
            ``embeddings`` are the queries' vectors [R, c].
        """
        batch, count = self.vectors.shape[:2]
        canvas = self.logits.new_tensor([0, 0, width, height], dtype=torch.float32)
        return Regions(
            boxes=canvas.expand(batch * count, 4),
            owner=torch.arange(batch, device=self.logits.device).repeat_interleave(count),
            masks=self.logits.flatten(0, 1).float().sigmoid(),
            embeddings=self.vectors.flatten(0, 1),
        )

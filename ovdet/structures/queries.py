"""What the queries of a batch are asked, and what the layers of a decoder answer."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Conditions:
    """K questions put to every image, each to a block of queries of its own.

    All images are asked the same, or, where there is one more axis in front, each its own K.

    Attributes:
        classes: [K] or [B, K], int64, the class that each asks for.
        vectors: [K, D] or [B, K, D], unit norm, what the queries are given of it.
        seen: [K] or [B, K], bool, whether a vector is an image's; else it is a name's.
    """

    classes: Tensor
    vectors: Tensor
    seen: Tensor

    def __len__(self) -> int:
        return self.classes.shape[-1]

    def of_image(self, index: int) -> Tensor:
        """Return the classes [K] that an image of the batch is asked for."""
        return self.classes if self.classes.ndim == 1 else self.classes[index]

    def given(self, image: Tensor, block: Tensor) -> Tensor:
        """Return what blocks [M] of images [M] were given, [M, D]."""
        return self.vectors[block] if self.classes.ndim == 1 else self.vectors[image, block]


@dataclass
class Decoded:
    """What one decoder layer says of K blocks of N queries in each of B images.

    Without conditions there is one block, and it is asked about all classes at once.

    Attributes:
        hidden: [B, K, N, d], the queries after the layer.
        boxes: [B, K, N, 4], xyxy, px of the network input.
        logits: [B, K, N, S]: S is C for one block that knows all classes, and 1, whether a query
            meets its condition, for a block each.
        matches: [B, K, N], int64, the index of the object among its image's truth that a query
            learns from, -1 for none; None where nothing is learnt.
    """

    hidden: Tensor
    boxes: Tensor
    logits: Tensor
    matches: Tensor | None = None

    def of_images(self, rows: Tensor) -> "Decoded":
        """Return what is said of some images of the batch, by index or bool mask."""
        matches = None if self.matches is None else self.matches[rows]
        return Decoded(self.hidden[rows], self.boxes[rows], self.logits[rows], matches)

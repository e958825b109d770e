"""Which classes a step's classification loss leaves out: novel ones, and most of a long tail.

Shapes: R regions, C classes.
"""

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Vocabulary


@MODELS.register_module()
class NovelClasses(nn.Module):
    """The novel ones: nobody has boxed them, so a region that shows one is no negative."""

    def forward(self, labels: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Return [C], bool, True where a class is left out.

        Args:
            labels: [R], int64, C for background; read for its device alone.
            vocabulary: The C classes.
        """
        return torch.tensor(vocabulary.novel_mask, device=labels.device)


@MODELS.register_module()
class FederatedClasses(nn.Module):
    """All but a few classes, drawn anew each step (federated loss, Zhou 2021; Detic, Sec. 4).

    Kept are the classes of the step's regions, and others up to ``count``, without replacement,
    with a probability that grows with the number of training images that show them. A class that no
    training image shows, or a novel one, is never drawn.

    Args:
        count: Classes kept a step, at least 1; more where the regions show more.
        power: Exponent of the number of images.

    Attributes:
        image_counts: [C], images that show each class. The hook ``ImageCounts`` fills it from the
            training set; without it all base classes are drawn alike.

    Raises:
        ValueError: If ``count`` is below 1.
    """

    def __init__(self, *, count: int = 50, power: float = 0.5) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.count = count
        self.power = power
        self.image_counts: Tensor | None = None

    def forward(self, labels: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Return [C], bool, True where a class is left out, as :class:`NovelClasses`.

        Raises:
            ValueError: If the counts are those of another vocabulary.
        """
        weights = self._weights(vocabulary)
        kept = torch.zeros(len(vocabulary), dtype=torch.bool)
        kept[labels[labels < len(vocabulary)].cpu()] = True
        weights[kept] = 0
        more = min(self.count - int(kept.sum()), int((weights > 0).sum()))
        if more > 0:
            kept[torch.multinomial(weights, more)] = True
        return ~kept.to(labels.device)

    def _weights(self, vocabulary: Vocabulary) -> Tensor:
        counts = torch.ones(len(vocabulary)) if self.image_counts is None else self.image_counts
        if len(counts) != len(vocabulary):
            raise ValueError(
                f"image_counts must have one entry a class, got {len(counts)} for "
                f"{len(vocabulary)} classes"
            )
        seen = (counts > 0) & ~torch.tensor(vocabulary.novel_mask)
        return torch.where(seen, counts.float() ** self.power, 0.0)

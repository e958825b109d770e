"""Which names a batch of label maps is asked for while a segmentor learns.

Shapes: B images, C classes, H W px.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import IGNORED, InputError, Sample, Vocabulary, batch_semantic


@dataclass(frozen=True)
class PixelQuestion:
    """The names of a batch, and the labels in their terms.

    Attributes:
        vocabulary: C names, all that any image is asked for.
        labels: [B, H, W], int64, indices into ``vocabulary``, ``IGNORED`` where there is none; of
            the size of the batch's images.
        asked: [B, C], bool, which names each image is asked for; None where all are for all.
    """

    vocabulary: Vocabulary
    labels: Tensor
    asked: Tensor | None = None


@MODELS.register_module()
class PixelNames(nn.Module):
    """Every image is asked for every name that may be known while training.

    Args:
        novel: Whether novel names are asked for too. Their pixels then keep their labels; without
            it pixels of novel classes are ignored, whatever the maps say of them.
    """

    def __init__(self, *, novel: bool = False) -> None:
        super().__init__()
        self.novel = novel

    def forward(self, samples: list[Sample], vocabulary: Vocabulary) -> PixelQuestion:
        """Return the question to B samples whose maps index ``vocabulary``.

        Raises:
            InputError: If there is no name to ask for.
        """
        labels = batch_semantic(samples, stride=32)
        if self.novel:
            return PixelQuestion(vocabulary, labels)
        rows = [row for row, novel in enumerate(vocabulary.novel_mask) if not novel]
        if not rows:
            raise InputError("at least one class must not be novel: there is nothing to ask for")
        place = torch.full((len(vocabulary) + 1,), IGNORED)  # the last entry is IGNORED's own
        place[rows] = torch.arange(len(rows))
        return PixelQuestion(vocabulary.pick(rows), place[labels])

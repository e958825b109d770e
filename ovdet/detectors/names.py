"""Which names a batch is asked for while it learns."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Regions, Sample, Vocabulary


@dataclass(frozen=True)
class Question:
    """The names of a batch, and the truth in their terms.

    Attributes:
        vocabulary: C names, all that any image is asked for.
        asked: [B, C], bool, which of them each image is asked for: the others give no loss there.
        truth: Each image's objects, labels into ``vocabulary``; None where an image is not boxed.
    """

    vocabulary: Vocabulary
    asked: Tensor
    truth: list[Regions | None]


@MODELS.register_module()
class AllNames(nn.Module):
    """Every image is asked for every name of the data set.

    Args:
        novel: Whether novel names are asked for too; only an oracle, whose data label them, may.
    """

    def __init__(self, *, novel: bool = False) -> None:
        super().__init__()
        self.novel = novel

    def forward(self, samples: list[Sample], vocabulary: Vocabulary) -> Question:
        """Return the question to B samples whose labels index ``vocabulary``."""
        asked = torch.ones(len(samples), len(vocabulary), dtype=torch.bool)
        if not self.novel:
            asked[:, torch.tensor(vocabulary.novel_mask)] = False
        truth = [sample.truth if sample.boxed else None for sample in samples]
        return Question(vocabulary, asked, truth)

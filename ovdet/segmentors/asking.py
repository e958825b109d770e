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
        return PixelQuestion(vocabulary.pick(rows), _renumbered(labels, rows, len(vocabulary)))


@MODELS.register_module()
class OnePixelName(nn.Module):
    """Each image is asked for one name, which it shows or, now and then, does not.

    Novel names are never asked for, and pixels of novel classes are ignored. A name counts as
    absent only where the image is labelled and no pixel of it has that label.

    Args:
        negatives: Probability that an image is asked for a name it does not show, in [0, 1]; one
            that shows every name, or none, is asked for what there is.

    Raises:
        ValueError: If ``negatives`` lies outside [0, 1].
    """

    def __init__(self, *, negatives: float = 0.2) -> None:
        super().__init__()
        if not 0 <= negatives <= 1:
            raise ValueError(f"negatives must lie in [0, 1], got {negatives}")
        self.negatives = negatives

    def forward(self, samples: list[Sample], vocabulary: Vocabulary) -> PixelQuestion:
        """Return the question to B samples; draws from torch's global generator.

        Its names are those that the batch shows or is asked for, in the vocabulary's order.

        Raises:
            InputError: If there is no name to ask for.
        """
        labels = batch_semantic(samples, stride=32)
        novel = torch.tensor(vocabulary.novel_mask)
        if bool(novel.all()):
            raise InputError("at least one class must not be novel: there is nothing to ask for")
        shown = _shown(labels, len(vocabulary)) & ~novel  # [B, C]
        chosen = torch.tensor([self._choose(row, novel) for row in shown])
        asked = nn.functional.one_hot(chosen, len(vocabulary)).bool()
        rows = (shown | asked).any(dim=0).nonzero().squeeze(1).tolist()
        return PixelQuestion(
            vocabulary.pick(rows), _renumbered(labels, rows, len(vocabulary)), asked[:, rows]
        )

    def _choose(self, shown: Tensor, novel: Tensor) -> int:
        """Return the name that an image showing the names [C] is asked for."""
        absent = ~shown & ~novel
        wanted = absent if torch.rand(()) < self.negatives else shown
        if not bool(wanted.any()):
            wanted = shown | absent
        return int(wanted.float().multinomial(1))


def _shown(labels: Tensor, classes: int) -> Tensor:
    """Return which classes each image's labels [B, H, W] hold, [B, C]."""
    shown = torch.zeros(len(labels), classes + 1, dtype=torch.bool)  # the last one is IGNORED's
    shown.scatter_(1, labels.flatten(1) % (classes + 1), value=True)
    return shown[:, :-1]


def _renumbered(labels: Tensor, rows: list[int], classes: int) -> Tensor:
    """Return labels in terms of some classes; those of the others are ``IGNORED``."""
    place = torch.full((classes + 1,), IGNORED)  # the last entry is IGNORED's own
    place[rows] = torch.arange(len(rows))
    return place[labels]

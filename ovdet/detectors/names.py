"""Which names a batch is asked for while it learns."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions, Sample, Vocabulary


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


@MODELS.register_module()
class SampledNames(nn.Module):
    """Each image is asked for its own names and for some it does not show.

    Those are the names it is known not to show, then others drawn by how many training images show
    them. A batch asks for what any of its images is asked for. Novel names are never asked for, nor
    names of which an image may hold unlabelled objects.

    Args:
        negatives: Names an image does not show, at least so many where there are as many.
        most: Names an image is asked for at most; its own come first.

    Attributes:
        image_counts: [C], images that show each class. The hook ``ImageCounts`` fills it from the
            training set; without it all names are drawn alike.

    Raises:
        ValueError: If ``negatives`` is below 0 or ``most`` below 1.
    """

    def __init__(self, *, negatives: int = 50, most: int = 100) -> None:
        super().__init__()
        if negatives < 0 or most < 1:
            raise ValueError(
                f"must be negatives >= 0 and most >= 1, got negatives {negatives}, most {most}"
            )
        self.negatives = negatives
        self.most = most
        self.image_counts: Tensor | None = None

    def forward(self, samples: list[Sample], vocabulary: Vocabulary) -> Question:
        """Return the question to B samples whose labels index ``vocabulary``.

        Raises:
            InputError: If the counts are those of another vocabulary.
        """
        weights = self._weights(vocabulary)
        asked = torch.stack([self._ask(sample, weights) for sample in samples])
        used = asked.any(dim=0)
        if not used.any():
            used[0] = True  # a batch that shows nothing is still asked for something
        rows = used.nonzero().squeeze(1)
        place = torch.full((len(vocabulary) + 1,), -1)  # the last row is that of -1, no class
        place[rows] = torch.arange(len(rows))
        truth = [_moved(sample.truth, place) if sample.boxed else None for sample in samples]
        return Question(vocabulary.pick(rows.tolist()), asked[:, rows], truth)

    def _weights(self, vocabulary: Vocabulary) -> Tensor:
        counts = torch.ones(len(vocabulary)) if self.image_counts is None else self.image_counts
        if len(counts) != len(vocabulary):
            raise InputError(
                f"image_counts must have one entry a class, got {len(counts)} for "
                f"{len(vocabulary)} classes"
            )
        return counts.float().masked_fill(torch.tensor(vocabulary.novel_mask), 0.0)

    def _ask(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return [C], bool: what one image is asked for."""
        labels = sample.truth.labels
        own = set() if labels is None else set(labels.tolist()) - {-1}
        allowed = weights > 0
        known = [c for c in sample.negative if allowed[c] and c not in own]
        chances = weights.clone()
        taken = [*own, *sample.negative, *sample.positive, *sample.not_exhaustive]
        chances[torch.tensor(taken, dtype=torch.int64)] = 0.0
        more = min(max(self.negatives - len(known), 0), int((chances > 0).sum()))
        drawn = torch.multinomial(chances, more).tolist() if more else []
        chosen = [*(c for c in sorted(own) if allowed[c]), *known, *drawn][: self.most]
        asked = torch.zeros(len(weights), dtype=torch.bool)
        asked[torch.tensor(chosen, dtype=torch.int64)] = True
        return asked


@MODELS.register_module()
class PhraseNames(nn.Module):
    """The phrases of a batch are its vocabulary; each image is asked for all of them.

    What other images' phrases say is taken as not shown here, unless the image says it too.

    Args:
        negatives: Most phrases of other images that an image is asked for, drawn at random.
    """

    def __init__(self, *, negatives: int = 50) -> None:
        super().__init__()
        self.negatives = negatives

    def forward(self, samples: list[Sample], vocabulary: Vocabulary) -> Question:  # noqa: ARG002
        """Return the question to B samples with ``phrases``, which their labels index.

        Raises:
            InputError: If no sample has a phrase.
        """
        said = [[s.captions[0][a:b].strip().lower() for a, b in s.phrases] for s in samples]
        names = sorted({phrase for phrases in said for phrase in phrases})
        if not names:
            raise InputError("PhraseNames needs samples with phrases, this batch has none")
        rows = {name: row for row, name in enumerate(names)}
        asked = torch.zeros(len(samples), len(names), dtype=torch.bool)
        truth: list[Regions | None] = []
        for sample, phrases, ask in zip(samples, said, asked, strict=True):
            own = [rows[phrase] for phrase in phrases]
            others = torch.tensor([r for r in range(len(names)) if r not in own], dtype=torch.int64)
            drawn = others[torch.randperm(len(others))[: self.negatives]]
            ask[torch.cat([torch.tensor(own, dtype=torch.int64), drawn])] = True
            place = torch.tensor([*own, -1])
            truth.append(_moved(sample.truth, place) if sample.boxed else None)
        return Question(Vocabulary.of(names), asked, truth)


def _moved(objects: Regions, place: Tensor) -> Regions:
    """Return objects with each label replaced by ``place[label]``."""
    if objects.labels is None:
        return objects
    return replace(objects, labels=place.to(objects.labels.device)[objects.labels])

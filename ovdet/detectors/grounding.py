"""Phrases of sentences as a vocabulary of the moment, for any detector that takes names.

Shapes: B images, C classes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ovdet.detectors.names import Question
from ovdet.registry import MODELS
from ovdet.structures import InputError, PhraseVocabulary, Regions, Sample, Vocabulary
from ovdet.text import clean_names

Wording = tuple[str, str, str]


@MODELS.register_module()
class CaptionNames(nn.Module):
    """What each image of a batch is asked for: its sentence's phrases, or names drawn afresh.

    An image without phrases is asked for the names of its objects and for names that it does not
    show: ``negatives`` of them, or, in the other part of cases, a random number below. Drawn names
    that are in the image are dropped, not replaced, as GLIP does. Where the data tell what an
    image does not show (LVIS), only that is drawn from. Novel names are never asked for.

    Args:
        negatives: Most names drawn for an image.
        full: Share of images for which that many are drawn; in [0, 1].

    Raises:
        ValueError: If ``full`` lies outside [0, 1] or ``negatives`` is below 0.
    """

    def __init__(self, *, negatives: int = 85, full: float = 0.5) -> None:
        super().__init__()
        if not 0 <= full <= 1 or negatives < 0:
            raise ValueError(
                f"negatives must be at least 0 and full in [0, 1], got {negatives} and {full}"
            )
        self.negatives = negatives
        self.full = full

    def forward(self, samples: list[Sample], vocabulary: Vocabulary | None) -> Question:
        """Return the question to B samples.

        Args:
            samples: Labels are phrases where a sample has those, else they index ``vocabulary``.
            vocabulary: The data set's classes; None where all samples have phrases.

        Raises:
            InputError: If a sample has neither phrases nor a vocabulary.
        """
        names = [] if vocabulary is None else clean_names(vocabulary.names)
        wanted: list[dict[int, Wording]] = []
        for sample in samples:
            if sample.phrases:
                wanted.append(dict(enumerate(phrases_of(sample))))
            elif vocabulary is None:
                raise InputError(f"{sample.file_name}: has no phrases, and there is no vocabulary")
            else:
                rows = self._draw(sample, vocabulary)
                wanted.append({row: ("", names[row], "") for row in rows})
        return ask(samples, wanted)

    def _draw(self, sample: Sample, vocabulary: Vocabulary) -> list[int]:
        """Return the classes an image is asked for, in random order."""
        novel = vocabulary.novel_mask
        labels = [] if sample.truth.labels is None else sample.truth.labels.tolist()
        there = {row for row in (*labels, *sample.positive) if row >= 0}
        federated = bool(sample.negative or sample.not_exhaustive)
        open_to = sample.negative if federated else range(len(vocabulary))
        pool = [row for row in open_to if not novel[row]]
        count = self.negatives
        if count > 1 and torch.rand(()) >= self.full:
            count = int(torch.randint(1, count + 1, ()))
        drawn = [pool[i] for i in torch.randperm(len(pool))[:count].tolist()]
        rows = sorted(row for row in there if not novel[row])
        rows += [row for row in drawn if row not in there]
        if not rows:
            rows = pool[:1] or [0]
        return [rows[i] for i in torch.randperm(len(rows)).tolist()]


def phrases_of(sample: Sample) -> list[Wording]:
    """Return a sample's phrases, each with what its sentence has before and behind it."""
    sentence = sample.captions[0]
    return [
        (sentence[:start], sentence[start:end], sentence[end:]) for start, end in sample.phrases
    ]


def ask(samples: Sequence[Sample], wanted: Sequence[dict[int, Wording]]) -> Question:
    """Return one question for a batch.

    Args:
        samples: B samples.
        wanted: For each image the wording of every label it is asked for.

    Returns:
        The distinct wordings as vocabulary, and truth whose labels are rows of it; of objects that
        an image is not asked for nothing remains.
    """
    rows = {wording: row for row, wording in enumerate(_distinct(wanted))}
    asked = torch.zeros(len(wanted), len(rows), dtype=torch.bool)
    truth: list[Regions | None] = []
    for line, sample, own in zip(asked, samples, wanted, strict=True):
        line[[rows[wording] for wording in own.values()]] = True
        places = {label: rows[wording] for label, wording in own.items()}
        truth.append(_relabelled(sample.truth, places) if sample.boxed else None)
    return Question(PhraseVocabulary.of_wordings(list(rows), asked.tolist()), asked, truth)


def _distinct(wanted: Sequence[dict[int, Wording]]) -> Iterable[Wording]:
    return dict.fromkeys(wording for own in wanted for wording in own.values())


def _relabelled(regions: Regions, places: dict[int, int]) -> Regions:
    """Return the regions whose label is among ``places``, with its new one."""
    if regions.labels is None or len(regions) == 0:
        return regions[:0]
    new = torch.tensor([places.get(label, -1) for label in regions.labels.tolist()])
    new = new.to(regions.boxes.device)
    return regions.with_(labels=new)[new >= 0]


@MODELS.register_module()
class GroundingDetector(BaseModel):  # type: ignore[misc]
    """A detector that is asked for the phrases of each image's own sentence.

    Samples with phrases need no vocabulary; labels are their phrases, in the truth and in what
    comes back. Other samples go to the detector as they are.

    Args:
        detector: Has ``loss`` and ``predict`` for samples and a vocabulary; its choice of names is
            a :class:`CaptionNames`.

    Attributes:
        vocabulary: The classes of samples without phrases; set by whoever runs the model.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector: Any = detector
        self.vocabulary: Vocabulary | None = None

    @property
    def text(self) -> nn.Module:
        """The detector's text slot."""
        slot: nn.Module = self.detector.text
        return slot

    def forward(self, samples: list[Sample], mode: str = "loss") -> Any:
        """Learn from samples or predict on them.

        Args:
            samples: B samples, all with phrases or all without where something is predicted.
            mode: ``loss`` gives {name: scalar}; ``predict`` one Regions a sample, in px of the
                stored image.

        Raises:
            InputError: If samples have no phrases and no vocabulary has been set.
        """
        if mode == "loss":
            losses: dict[str, Tensor] = self.detector.loss(samples, self.vocabulary)
            return losses
        if all(sample.phrases for sample in samples):
            return self.ground(samples)
        if self.vocabulary is None:
            raise InputError("the detector has no vocabulary: set detector.vocabulary first")
        return self.predict(samples, self.vocabulary)

    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find and name objects, whatever the samples' sentences say; as the detector does."""
        found: list[Regions] = self.detector.predict(
            samples, vocabulary, threshold=threshold, top_k=top_k
        )
        return found

    def ground(self, samples: list[Sample]) -> list[Regions]:
        """Find what the phrases of each image's sentence stand for.

        Args:
            samples: B samples with phrases; truth is not read.

        Returns:
            For each sample its regions, best first, in px of the stored image; ``labels`` tell the
            phrase.
        """
        wanted = [dict(enumerate(phrases_of(sample))) for sample in samples]
        question = ask(samples, wanted)
        rows = {wording: row for row, wording in enumerate(question.vocabulary.wordings)}
        found: list[Regions] = self.detector.predict(samples, question.vocabulary)
        return [
            _relabelled(regions, {rows[wording]: label for label, wording in own.items()})
            for regions, own in zip(found, wanted, strict=True)
        ]

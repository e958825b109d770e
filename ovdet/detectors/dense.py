"""The dense detector: every place of the features answers for itself.

Shapes: B images, P places, C classes, T tokens, D embedding width, H W px.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.detectors.base import Detector
from ovdet.detectors.names import AllNames, Question
from ovdet.detectors.selection import Selection
from ovdet.ops import box_area, clip_boxes
from ovdet.ops.scores import best_pairs, join_best, suppress, worst_of
from ovdet.registry import MODELS
from ovdet.structures import (
    DensePrediction,
    Flow,
    InputError,
    Regions,
    Sample,
    Text,
    Vocabulary,
    batch_images,
)

TILE = 64
"""Names compared at once where they do not see each other.

A product's last bits depend on how many columns it has. Tiles always have this many, so that a
score is the same number whatever else is asked for and however it is cut up.
"""


@MODELS.register_module()
class DenseDetector(Detector):
    """Boxes and names at every place, without proposals.

    Args:
        trunk: [B, 3, H, W], RGB in [0, 1], to levels [B, c, h, w], finest first. Pictures are
            padded to multiples of its ``stride``, px; 32 where it has none.
        text: Vocabulary to Text.
        head: (levels, text, images) to a ``DensePrediction``. It also has ``scores(logits, text)``,
            which turns logits into class scores [B, P, C] in [0, 1], and, unless there is a
            fusion, ``compare(prediction, text)``, the logits of the same places for other text.
        criterion: (prediction, truth of each image, asked [B, C], text) to {``loss_*``: scalar}.
        fusion: (levels, text) to levels and text that have seen each other; None for none.
        settings: What it is asked for while it learns, and what it gives back.
    """

    # Slots are called by their Protocols (structures/slots.py), not by nn.Module's own types.
    trunk: Any
    text: Any
    head: Any
    fusion: Any

    def __init__(
        self,
        *,
        trunk: nn.Module,
        text: nn.Module,
        head: nn.Module,
        criterion: nn.Module,
        fusion: nn.Module | None = None,
        settings: "DenseSettings | None" = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.text = text
        self.head = head
        self.criterion = criterion
        self.fusion = fusion
        self.settings = settings or DenseSettings()
        self.names = self.settings.names or AllNames()
        self.examples = self.settings.examples
        self.objectives = nn.ModuleList(self.settings.objectives)

    def begin(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        """Run the parts that come before any place: images, features, text, fusion."""
        flow = self._look(samples, vocabulary)
        flow.text = self.text(vocabulary)
        if self.fusion is not None:
            flow.features, flow.text = self.fusion(flow.features, flow.text)
        return flow

    def _look(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        device = next(self.parameters()).device
        multiple: int = getattr(self.trunk, "stride", 32)
        images = batch_images(samples, stride=multiple).to(device)
        flow = Flow(images, samples, vocabulary, features=self.trunk(images))
        flow.encode_words = self.text.encode_words
        return flow

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars.

        Args:
            samples: B samples; labels index ``vocabulary``. From those that are not ``boxed`` only
                the objectives learn.
            vocabulary: C classes; which of them are asked for is the settings' choice.
        """
        question: Question = self.names(samples, vocabulary)
        flow = self.begin(samples, question.vocabulary)
        flow.dense = self.head(flow.features, flow.text, flow.images)
        losses: dict[str, Tensor] = {}
        rows = [index for index, truth in enumerate(question.truth) if truth is not None]
        if rows:
            device = flow.images.device
            truth = [t.to(device) for t in question.truth if t is not None]
            index = torch.tensor(rows, device=device)
            asked = question.asked.to(device)[index]
            losses |= self.criterion(flow.dense.of_images(index), truth, asked, flow.text)
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find and name objects.

        Names are taken in alphabetical order, so their order in ``vocabulary`` changes nothing.
        Without a fusion a name's scores depend on no other name. With one the names of a chunk
        see each other, and the chunks are cut from the alphabetical order.

        Args:
            samples: B samples; truth is not read.
            vocabulary: Any C classes.
            threshold: Least score; the selection's own when None.
            top_k: Most boxes an image; the selection's own when None.

        Returns:
            For each sample its regions, best first, in px of the stored image; ``labels`` index
            ``vocabulary``.
        """
        order = sorted(range(len(vocabulary)), key=vocabulary.names.__getitem__)
        flow = self._look(samples, vocabulary.pick(order))
        if self.examples is not None:
            classes = self.examples(self.look, flow.vocabulary)
            pieces = self._tiles(flow, Text(classes=classes))
        elif self.fusion is None:
            pieces = self._tiles(flow, self.text(flow.vocabulary))
        else:
            pieces = self._chunks(flow)
        found = self._select(flow, pieces, threshold, top_k)
        place = torch.tensor(order, device=flow.images.device)
        return [regions.with_(labels=place[regions.labels]) for regions in found]

    def look(self, samples: list[Sample]) -> DensePrediction:
        """Return what is seen at every place of samples, whatever the names: logits are [B, P, 0].

        Raises:
            InputError: If the detector fuses words into its features: it sees nothing without.
        """
        if self.fusion is not None:
            raise InputError("a detector with a fusion needs names, it cannot look without any")
        flow = self._look(samples, Vocabulary.of(["anything"]))
        nothing = self.text(flow.vocabulary).rows(torch.zeros(0, dtype=torch.int64))
        prediction: DensePrediction = self.head(flow.features, nothing, flow.images)
        return prediction

    def embed_boxes(self, samples: list[Sample], regions: Regions) -> Tensor:
        """Return what is seen in given boxes, in the space of the names' embeddings.

        Args:
            samples: B samples; truth is not read.
            regions: R boxes, px of the network input; owners index ``samples``.

        Returns:
            [R, D], unit norm.

        Raises:
            InputError: If the detector fuses words into its features, or its head has no
                ``represent(prediction, box)``, the embedding [D] of a box of one picture.
        """
        if not hasattr(self.head, "represent"):
            kind = type(self.head).__name__
            raise InputError(f"a detector with a {kind} has no embedding of what a box shows")
        seen = {i: self.look([samples[i]]) for i in dict.fromkeys(regions.owner.tolist())}
        pairs = zip(regions.owner.tolist(), regions.boxes, strict=True)
        rows: list[Tensor] = [self.head.represent(seen[i], box) for i, box in pairs]
        return torch.stack(rows)

    def find(
        self,
        samples: list[Sample],
        classes: Tensor,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find what looks like given embeddings, be they of words or of pictures.

        Args:
            samples: B samples.
            classes: [C, D], unit norm.
            threshold: As for :meth:`predict`.
            top_k: As for :meth:`predict`.

        Returns:
            As :meth:`predict`; ``labels`` index ``classes``.

        Raises:
            InputError: If the detector fuses words into its features: a vector has no words.
        """
        if self.fusion is not None:
            raise InputError("a detector with a fusion needs names, it cannot take embeddings")
        flow = self._look(samples, Vocabulary.of([str(i) for i in range(len(classes))]))
        pieces = self._tiles(flow, Text(classes=classes.to(flow.images.device)))
        return self._select(flow, pieces, threshold, top_k)

    def _tiles(self, flow: Flow, text: Text) -> Iterator[tuple[DensePrediction, Tensor, int]]:
        """Yield (prediction, scores [B, P, c], first class) of tiles of unrelated classes."""
        count = len(text.classes)
        prediction: DensePrediction | None = None
        for start in range(0, count, TILE):
            rows = torch.arange(start, start + TILE, device=text.classes.device)
            part = text.rows(rows.clamp(max=count - 1))
            if prediction is None:
                prediction = self.head(flow.features, part, flow.images)
                logits = prediction.logits
            else:
                logits = self.head.compare(prediction, part)
            yield prediction, self.head.scores(logits, part)[..., : count - start], start

    def _chunks(self, flow: Flow) -> Iterator[tuple[DensePrediction, Tensor, int]]:
        """Yield the same of chunks of names that see each other through the fusion."""
        for rows in self._runs(flow.vocabulary):
            levels, text = self.fusion(flow.features, self.text(flow.vocabulary.pick(rows)))
            prediction: DensePrediction = self.head(levels, text, flow.images)
            yield prediction, self.head.scores(prediction.logits, text), rows.start

    def _runs(self, vocabulary: Vocabulary) -> list[range]:
        """Return the runs of names that see each other: a text slot with tokens counts those."""
        count, size = len(vocabulary), self.settings.chunk
        if hasattr(self.text, "cut"):
            runs: list[range] = self.text.cut(vocabulary, size)
            return runs
        return [range(i, min(i + (size or count), count)) for i in range(0, count, size or count)]

    def _select(
        self,
        flow: Flow,
        pieces: Iterator[tuple[DensePrediction, Tensor, int]],
        threshold: float | None,
        top_k: int | None,
    ) -> list[Regions]:
        chosen = self.settings.selection
        least = chosen.threshold if threshold is None else threshold
        top = chosen.top if top_k is None else top_k
        best: list[list[Regions]] = [[] for _ in flow.samples]  # of the pieces so far
        for prediction, scores, start in pieces:
            ranked = self._ranked(prediction, scores)
            for index, sample in enumerate(flow.samples):
                regions, kept = _inside(prediction.boxes[index], sample)
                floor = max([worst_of(b, chosen.candidates, least) for b in best[index]] or [least])
                pairs = best_pairs(regions, ranked[index, kept], floor, chosen.candidates)
                pairs = pairs.with_(labels=_labels(pairs) + start)
                best[index] = [join_best([*best[index], pairs], chosen.candidates)]
        found = [suppress(part, chosen.nms, top) for (part,) in best]
        return [_stored(regions, s) for regions, s in zip(found, flow.samples, strict=True)]

    def _ranked(self, prediction: DensePrediction, scores: Tensor) -> Tensor:
        if not self.settings.use_quality or prediction.quality is None:
            return scores
        return (scores * prediction.quality.sigmoid()[..., None]).sqrt()


@MODELS.register_module()
@dataclass(frozen=True)
class DenseSettings:
    """What a dense detector learns from and gives back.

    Attributes:
        selection: Which scored boxes come back; ``nms`` None where places compete in training.
        objectives: Further losses, Flow to {name: scalar}.
        names: (samples, vocabulary) to the Question a batch learns from; None asks every image for
            every name that is not novel.
        examples: (``look``, vocabulary) to class embeddings [C, D], in place of names, for
            predictions; None asks by name.
        chunk: With a fusion: names that go through it together; None takes all at once.
        use_quality: Rank by the geometric mean of score and quality instead of the score alone.
    """

    selection: Selection = field(default_factory=Selection)
    objectives: Sequence[nn.Module] = ()
    names: nn.Module | None = None
    examples: nn.Module | None = None
    chunk: int | None = None
    use_quality: bool = False

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise InputError(f"chunk must be at least 1 name, got {self.chunk}")


def _inside(boxes: Tensor, sample: Sample) -> tuple[Regions, Tensor]:
    """Return an image's boxes that reach into it, clipped, and which of the P they are."""
    clipped = clip_boxes(boxes, *sample.image.shape[1:])
    kept = (box_area(clipped) > 0).nonzero().squeeze(1)
    owner = torch.zeros(len(kept), dtype=torch.int64, device=boxes.device)
    return Regions(clipped[kept].float(), owner), kept


def _labels(regions: Regions) -> Tensor:
    if regions.labels is None:
        raise ValueError("regions must have labels here")
    return regions.labels


def _stored(regions: Regions, sample: Sample) -> Regions:
    """Return regions in px of the stored image."""
    boxes = sample.to_original(regions.boxes)
    return regions.with_(boxes=boxes)[box_area(boxes) > 0]

"""The query detector: places that ask, a decoder that answers, objects paired with answers.

Shapes: B images, K blocks of N queries, S columns, C classes, D embedding width, H W px.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.detectors.base import Detector
from ovdet.detectors.selection import Selection
from ovdet.heads.queries import Memory, Queries, to_pixels
from ovdet.ops import box_area, clip_boxes
from ovdet.ops.scores import best_pairs, join_best, suppress
from ovdet.registry import MODELS
from ovdet.structures import (
    Conditions,
    Decoded,
    Flow,
    InputError,
    Regions,
    Sample,
    Text,
    Vocabulary,
    batch_images,
)


@MODELS.register_module()
class QueryDetector(Detector):
    """Finds objects as a set, with as many queries as there can be objects.

    Without ``conditions`` a query may answer with any class. With them every class asked for has a
    block of queries of its own, which answer whether they meet it, and a long vocabulary is asked
    in chunks; the image is encoded once.

    Args:
        trunk: [B, 3, H, W], RGB in [0, 1], to levels [B, c, h, w], finest first.
        text: Vocabulary to Text.
        proposals: The regions slot; it also has ``look``, ``regions``, ``queries`` and ``loss``, as
            ``QueryProposals`` has.
        decoder: (memory, queries, [K, d] or None) to (queries [B, K, N, d], boxes) of each layer.
        classifier: (queries [..., d], classes [C, D], layer) to logits; ``learnt(novel)`` says
            which columns training reads.
        criterion: Pairs queries with objects, and compares them.
        conditions: Conditions to what is added to the queries, [K, d]; ``draw(flow)`` chooses those
            a batch learns from. None for none.
        settings: What it learns from besides, and what it gives back.
    """

    # Slots are called by their Protocols (structures/slots.py), not by nn.Module's own types.
    trunk: Any
    text: Any
    proposals: Any
    classifier: Any
    conditions: Any

    def __init__(
        self,
        *,
        trunk: nn.Module,
        text: nn.Module,
        proposals: nn.Module,
        decoder: nn.Module,
        classifier: nn.Module,
        criterion: nn.Module,
        conditions: nn.Module | None = None,
        settings: "QuerySettings | None" = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.text = text
        self.proposals = proposals
        self.decoder = decoder
        self.classifier = classifier
        self.criterion = criterion
        self.conditions = conditions
        self.settings = settings or QuerySettings()
        self.objectives = nn.ModuleList(self.settings.objectives)

    def begin(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        """Run the parts that come before any query: images, text, features."""
        flow = self._look(samples, vocabulary)
        flow.text = self.text(vocabulary)
        return flow

    def _look(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        device = next(self.parameters()).device
        images = batch_images(samples, stride=32).to(device)
        flow = Flow(images, samples, vocabulary, features=self.trunk(images))
        flow.encode_words = self.text.encode_words
        return flow

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars; those of a layer end in its number.

        Args:
            samples: B samples; labels index ``vocabulary``. From those that are not ``boxed`` only
                the objectives learn.
            vocabulary: C classes.
        """
        flow = self.begin(samples, vocabulary)
        outlook = self.proposals.look(flow.features)
        flow.proposals = self.proposals.regions(outlook, flow.images)
        if self.conditions is not None:
            flow.conditions = self.conditions.draw(flow)
        queries = self.proposals.queries(outlook)
        flow.decoded = self._decode(outlook.memory, queries, flow)
        losses: dict[str, Tensor] = {}
        if any(sample.boxed for sample in samples):
            device = flow.images.device
            truth = [s.truth.to(device) if s.boxed else None for s in samples]
            losses |= self.proposals.loss(outlook, truth, flow.images)
            losses |= self._supervise(flow, truth)
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

    def _decode(self, memory: Memory, queries: Queries, flow: Flow) -> list[Decoded]:
        """Return what each layer says, of the flow's conditions where it has some."""
        size = flow.images.shape[-2:]
        asked = None if flow.conditions is None else self.conditions(flow.conditions)
        layers = []
        for index, (hidden, boxes) in enumerate(self.decoder(memory, queries, asked)):
            logits = self.classifier(hidden, _classes(flow), index)
            layers.append(Decoded(hidden, to_pixels(boxes, size[0], size[1]), logits))
        return layers

    def _supervise(self, flow: Flow, truth: Sequence[Regions | None]) -> dict[str, Tensor]:
        """Fill ``matches`` of each layer and return the losses of the boxed images."""
        device = flow.images.device
        rows = torch.tensor([i for i, t in enumerate(truth) if t is not None], device=device)
        blocks = flow.decoded[0].hidden.shape[1]
        groups = [
            group
            for index, regions in enumerate(truth)
            if regions is not None
            for group in _groups(regions, flow.conditions, index)
        ]
        novel = torch.tensor(flow.vocabulary.novel_mask, device=device)
        learnt = self.classifier.learnt(novel)
        size = (flow.images.shape[-2], flow.images.shape[-1])
        losses: dict[str, Tensor] = {}
        for index, layer in enumerate(flow.decoded):
            part = layer.of_images(rows)
            own, matches = self.criterion(
                part.logits.flatten(0, 1),
                part.boxes.flatten(0, 1),
                [group.objects for group in groups],
                size,
                learnt,
            )
            losses |= {f"loss_{name}_{index}": value for name, value in own.items()}
            layer.matches = torch.full(layer.hidden.shape[:3], -1, device=device)
            layer.matches[rows] = _in_image(matches, groups).reshape(-1, blocks, *matches.shape[1:])
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

        Args:
            samples: B samples; truth is not read.
            vocabulary: Any C classes. Their scores do not depend on each other.
            threshold: Least score; the selection's own when None.
            top_k: Most boxes an image; the selection's own when None.

        Returns:
            For each sample its regions, best first, in px of the stored image; ``labels`` index
            ``vocabulary``.
        """
        flow = self.begin(samples, vocabulary)
        seen = torch.zeros(len(vocabulary), dtype=torch.bool, device=flow.images.device)
        return self._select(flow, seen, threshold, top_k)

    def find(
        self,
        samples: list[Sample],
        classes: Tensor,
        *,
        seen: bool = True,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find what looks like given embeddings, be they of pictures or of words.

        Args:
            samples: B samples.
            classes: [C, D], unit norm.
            seen: Whether they are of pictures; conditions may tell the two apart.
            threshold: As for :meth:`predict`.
            top_k: As for :meth:`predict`.

        Returns:
            As :meth:`predict`; ``labels`` index ``classes``.
        """
        flow = self._look(samples, Vocabulary.of([str(i) for i in range(len(classes))]))
        flow.text = Text(classes=classes.to(flow.images.device))
        kinds = torch.full((len(classes),), seen, device=flow.images.device)
        return self._select(flow, kinds, threshold, top_k)

    def _select(
        self, flow: Flow, seen: Tensor, threshold: float | None, top_k: int | None
    ) -> list[Regions]:
        chosen = self.settings.selection
        least = chosen.threshold if threshold is None else threshold
        top = chosen.top if top_k is None else top_k
        outlook = self.proposals.look(flow.features)
        flow.proposals = self.proposals.regions(outlook, flow.images)
        queries = self.proposals.queries(outlook)
        answers: list[list[Regions]] = [[] for _ in flow.samples]
        for first, last in self._chunks(outlook.memory, queries, flow, seen):
            for index, sample in enumerate(flow.samples):
                answers[index].append(_pairs(last, index, sample, first, chosen.candidates, least))
        found = [_join(parts, chosen, top) for parts in answers]
        return [_stored(regions, s) for regions, s in zip(found, flow.samples, strict=True)]

    def _chunks(
        self, memory: Memory, queries: Queries, flow: Flow, seen: Tensor
    ) -> Iterator[tuple[int, Decoded]]:
        """Yield the first class and the last layer of each chunk of the vocabulary."""
        if self.conditions is None:
            yield 0, self._decode(memory, queries, flow)[-1]
            return
        classes = _classes(flow)
        for start in range(0, len(classes), self.settings.chunk):
            rows = torch.arange(len(classes), device=classes.device)[start:][: self.settings.chunk]
            conditions = Conditions(rows, classes[rows], seen[rows])
            part = replace(flow, conditions=conditions)
            yield start, self._decode(memory, queries, part)[-1]


@MODELS.register_module()
@dataclass(frozen=True)
class QuerySettings:
    """What a query detector learns from and gives back.

    Attributes:
        selection: Which scored boxes come back; ``nms`` None where one query answers for an object.
        objectives: Further losses, Flow to {name: scalar}.
        chunk: Conditions decoded together when predicting; more need more memory, and change
            nothing else.
    """

    selection: Selection = field(default_factory=lambda: Selection(nms=None))
    objectives: Sequence[nn.Module] = ()
    chunk: int = 15

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"chunk must be at least 1 condition, got {self.chunk}")


@dataclass
class _Group:
    """The objects a block of an image's queries learns from, and which of the image's they are."""

    objects: Regions
    index: Tensor


def _groups(truth: Regions, conditions: Conditions | None, image: int) -> list[_Group]:
    """Return the objects of one image of the batch for each block of queries."""
    every = torch.arange(len(truth), device=truth.boxes.device)
    if conditions is None:
        return [_Group(truth, every)]
    labels = torch.zeros_like(every) if truth.labels is None else truth.labels
    rows = [every[labels == label] for label in conditions.of_image(image)]
    return [_Group(truth[index].with_(labels=None), index) for index in rows]


def _in_image(matches: Tensor, groups: Sequence[_Group]) -> Tensor:
    """Turn indices into each group's objects [G, N] into indices into its image's."""
    placed = torch.full_like(matches, -1)
    for row, own, group in zip(placed, matches, groups, strict=True):
        hit = own >= 0
        row[hit] = group.index[own[hit]]
    return placed


def _pairs(
    answer: Decoded, image: int, sample: Sample, first: int, count: int, threshold: float
) -> Regions:
    """Return the best (query, class) pairs of one image, clipped to it, best first.

    Column s of block k is class ``first`` + k + s: there is one block, or one column.
    """
    blocks, queries, columns = answer.logits.shape[1:]
    boxes = clip_boxes(answer.boxes[image].flatten(0, 1), *sample.image.shape[1:]).float()
    block = torch.arange(blocks, device=boxes.device).repeat_interleave(queries)
    inside = (box_area(boxes) > 0).nonzero().flatten()  # not in the padding
    scores = answer.logits[image].sigmoid().view(-1, columns)[inside].float()
    pairs = best_pairs(Regions(boxes, block)[inside], scores, threshold, count)
    column = pairs.labels if pairs.labels is not None else torch.zeros_like(pairs.owner)
    labels = first + pairs.owner + column
    return pairs.with_(owner=torch.zeros_like(labels), labels=labels)


def _join(parts: list[Regions], selection: Selection, top: int) -> Regions:
    """Return the best of an image's answers from all chunks."""
    return suppress(join_best(parts, selection.candidates), selection.nms, top)


def _stored(regions: Regions, sample: Sample) -> Regions:
    """Return regions in px of the stored image."""
    boxes = sample.to_original(regions.boxes)
    return regions.with_(boxes=boxes)[box_area(boxes) > 0]


def _classes(flow: Flow) -> Tensor:
    if flow.text is None:
        raise RuntimeError("the text slot has not run: begin() comes before any query")
    return flow.text.classes

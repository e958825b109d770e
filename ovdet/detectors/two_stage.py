"""The two-stage detector: trunk, proposals, branches against text, boxes and masks.

Shapes: B images, R regions, C classes, D embedding width, H W px.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.detectors.base import Detector
from ovdet.detectors.selection import Selection
from ovdet.heads import Assignment, FirstScores, NovelClasses, RegionBranch
from ovdet.ops import Comparison, box_area, box_iou, region_text_topk, unit_norm
from ovdet.ops.scores import suppress
from ovdet.registry import MODELS
from ovdet.structures import Flow, Regions, Sample, Vocabulary, batch_images

_APART = 0.1  # IoU below which a proposal is elsewhere
# Of ovdet-tiny on stickers, one box shown: at a score of 0.3 it took 20 % of all proposals for the
# object, 3 % with this share (a name: 1 %), and found 94 % of the other boxes of the class (94 %).
_TAKEN = 0.9


@MODELS.register_module()
class TwoStageDetector(Detector):
    """Proposes class-agnostic regions and names them by their embeddings.

    Args:
        trunk: [B, 3, H, W], RGB in [0, 1], to levels [B, c, h, w], finest first.
        text: Vocabulary to Text.
        proposals: (levels, images, truth) to (Regions, losses).
        branches: Embedders with their classifiers. The first one learns the labels, and boxes are
            read from its hidden features; what the others learn is up to the objectives.
        boxes: The box head.
        masks: The mask head, or None for boxes alone.
        scores: (probabilities of the branches, novel [C]) to scores [R, C].
        settings: ``sampler`` picks the regions to learn from; ``left_out`` the classes that their
            classification does not ask for; ``selection`` the boxes that come back;
            ``objectives`` are further losses, Flow to {name: scalar}.
    """

    # Slots are called by their Protocols (structures/slots.py), not by nn.Module's own types.
    trunk: Any
    text: Any
    boxes: Any
    masks: Any
    sampler: Any
    left_out: Any

    def __init__(
        self,
        *,
        trunk: nn.Module,
        text: nn.Module,
        proposals: nn.Module,
        branches: Sequence[RegionBranch],
        boxes: nn.Module,
        masks: nn.Module | None = None,
        scores: nn.Module,
        settings: "TwoStageSettings",
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.text = text
        self.proposals = proposals
        self.branches = nn.ModuleList(branches)
        self.boxes = boxes
        self.masks = masks
        self.scores = scores
        self.sampler = settings.sampler
        self.left_out = NovelClasses() if settings.left_out is None else settings.left_out
        self.objectives = nn.ModuleList(settings.objectives)
        self.selection = settings.selection

    def begin(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        """Run the parts that come before any region: images, text, features."""
        device = next(self.parameters()).device
        images = batch_images(samples, stride=32).to(device)
        flow = Flow(images, samples, vocabulary, text=self.text(vocabulary))
        flow.features = self.trunk(images)
        flow.embed = lambda regions, branch: self._embed(flow, regions, branch)
        flow.classify = lambda embeddings, branch: self._logits(flow, embeddings, branch)
        flow.embedders = [branch.embedder for branch in self.branches]  # type: ignore[misc]
        flow.encode_words = self.text.encode_words
        return flow

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars.

        Args:
            samples: B samples; labels index ``vocabulary``. From those that are not ``boxed`` only
                the objectives learn.
            vocabulary: C classes; the novel ones are kept out of the classification.
        """
        flow = self.begin(samples, vocabulary)
        losses = self._propose(flow)
        if any(sample.boxed for sample in samples):
            losses |= self._supervise(flow)
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

    def _propose(self, flow: Flow) -> dict[str, Tensor]:
        """Fill ``proposals`` for all images; return the losses of the boxed ones."""
        device = flow.images.device
        parts: list[Regions] = []
        losses: dict[str, Tensor] = {}
        for boxed in (True, False):
            rows = torch.tensor([i for i, s in enumerate(flow.samples) if s.boxed is boxed])
            if len(rows) == 0:
                continue
            rows = rows.to(device)
            every = len(rows) == len(flow.samples)
            levels = flow.features if every else [level[rows] for level in flow.features]
            truth = [flow.samples[i].truth.to(device) for i in rows.tolist()] if boxed else None
            found, own = self.proposals(levels, flow.images[rows], truth)
            parts.append(found.with_(owner=rows[found.owner]))
            losses |= own
        flow.proposals = parts[0] if len(parts) == 1 else _joined(parts)
        return losses

    def _supervise(self, flow: Flow) -> dict[str, Tensor]:
        """Fill regions, embeddings and logits of the boxed images; return their losses."""
        proposals = flow.proposals if flow.proposals is not None else Regions.empty()
        device = flow.images.device
        truth = [sample.truth.to(device) if sample.boxed else None for sample in flow.samples]
        assignment: Assignment = self.sampler(proposals, truth, len(flow.vocabulary))
        flow.regions = assignment.regions
        losses: dict[str, Tensor] = {}
        hidden = self._first.embedder.hidden(flow.features, flow.regions, _size(flow))
        embeddings: Tensor = self._first.embedder.embed(hidden)
        flow.embeddings, flow.logits = embeddings, [self._logits(flow, embeddings, 0)]
        labels = flow.regions.labels
        left_out: Tensor = self.left_out(labels, flow.vocabulary)
        losses["loss_class"] = self._first.classifier.loss(flow.logits[0], labels, left_out)
        losses["loss_box"] = self.boxes.loss(hidden, assignment)
        if self.masks is not None:
            losses["loss_mask"] = self.masks.loss(flow.features, assignment, _size(flow))
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
            vocabulary: Any C classes.
            threshold: Least score; the selection's own when None.
            top_k: Most boxes an image; the selection's own when None.

        Returns:
            For each sample its regions, best first, in px of the stored image; ``labels`` index
            ``vocabulary``; ``masks`` [R, h, w], in [0, 1], lie over each box.
        """
        flow = self.begin(samples, vocabulary)
        flow.proposals, _ = self.proposals(flow.features, flow.images)
        hidden = self._first.embedder.hidden(flow.features, flow.proposals, _size(flow))
        moved = self.boxes(hidden, flow.proposals, flow.images)
        chosen = self.selection
        first_only = isinstance(self.scores, FirstScores)
        pairs = region_text_topk(
            self._compare(flow, hidden, 1 if first_only else len(self.branches)),
            torch.where(_inside(moved, samples), flow.proposals.owner, -1),
            images=len(samples),
            count=chosen.candidates,
            threshold=chosen.threshold if threshold is None else threshold,
            fuse=None if first_only else lambda parts: self.scores(parts, self._novel(flow)),
        )
        top = chosen.top if top_k is None else top_k
        found = []
        for index in range(len(samples)):
            scores, rows, labels = pairs.of_image(index)
            named = moved[rows].with_(scores=scores, labels=labels)
            found.append(suppress(named, chosen.nms, top))
        return self._finish(flow, found)

    def name_regions(
        self, samples: list[Sample], regions: Regions, vocabulary: Vocabulary
    ) -> Tensor:
        """Score given boxes instead of proposals.

        Args:
            samples: B samples.
            regions: R boxes, px of the network input; owners index ``samples``.
            vocabulary: Any C classes.

        Returns:
            [R, C], in [0, 1].
        """
        flow = self.begin(samples, vocabulary)
        flow.proposals = regions.to(flow.images.device)
        hidden = self._first.embedder.hidden(flow.features, flow.proposals, _size(flow))
        parts = self._compare(flow, hidden, len(self.branches))
        probabilities = [part.wide().probabilities(slice(None)) for part in parts]
        scores: Tensor = self.scores(probabilities, self._novel(flow))
        return scores

    def embed_boxes(self, samples: list[Sample], regions: Regions) -> Tensor:
        """Return what is seen in given boxes, in the space of the names' embeddings.

        Regions are more alike than names are, so most of what the rest of the picture shows, the
        mean of its proposals elsewhere, is taken away.

        Args:
            samples: B samples; truth is not read.
            regions: R boxes, px of the network input; owners index ``samples``.

        Returns:
            [R, D], unit norm, of the first branch.
        """
        regions = regions.to(next(self.parameters()).device)
        images = batch_images(samples, stride=32).to(regions.boxes.device)
        levels, size = self.trunk(images), max(images.shape[-2:])
        around, _ = self.proposals(levels, images)
        seen: Tensor = self._first.embedder(levels, regions, size)
        others: Tensor = self._first.embedder(levels, around, size)
        elsewhere = box_iou(regions.boxes, around.boxes) < _APART
        elsewhere &= regions.owner[:, None] == around.owner
        share = elsewhere.to(seen.dtype) / elsewhere.sum(dim=1, keepdim=True).clamp(min=1)
        return unit_norm(seen - _TAKEN * (share @ others))

    def _compare(self, flow: Flow, hidden: Tensor, branches: int) -> list[Comparison]:
        """Return how the first branches compare the proposals with the names."""
        regions = flow.proposals if flow.proposals is not None else Regions.empty()
        embeddings = [self._first.embedder.embed(hidden)]
        embeddings += [self._embed(flow, regions, branch) for branch in range(1, branches)]
        classifiers: list[Any] = [branch.classifier for branch in self.branches]
        parts = [
            classifier.comparison(embedding, _classes(flow))
            for classifier, embedding in zip(classifiers, embeddings, strict=False)
        ]
        if not flow.vocabulary.groups:
            return parts
        groups = torch.tensor(flow.vocabulary.groups, device=flow.images.device)
        return [replace(part, groups=groups) if part.softmax else part for part in parts]

    def _finish(self, flow: Flow, found: list[Regions]) -> list[Regions]:
        if self.masks is not None:
            everything = Regions.gather(found)
            masks = self.masks(flow.features, everything, _size(flow)).sigmoid()
            per_image = masks.split([len(regions) for regions in found])
            found = [r.with_(masks=m) for r, m in zip(found, per_image, strict=True)]
        finished = []
        for sample, regions in zip(flow.samples, found, strict=True):
            boxes = sample.to_original(regions.boxes)
            inside = box_area(boxes) > 0  # a smaller picture of the batch ends before the padding
            finished.append(regions.with_(boxes=boxes)[inside])
        return finished

    def _embed(self, flow: Flow, regions: Regions, branch: int) -> Tensor:
        embedder: Any = self.branches[branch].embedder
        embeddings: Tensor = embedder(flow.features, regions, _size(flow))
        return embeddings

    def _logits(self, flow: Flow, embeddings: Tensor, branch: int) -> Tensor:
        classifier: Any = self.branches[branch].classifier
        logits: Tensor = classifier(embeddings, _classes(flow))
        return logits

    def _novel(self, flow: Flow) -> Tensor:
        return torch.tensor(flow.vocabulary.novel_mask, device=flow.images.device)

    @property
    def _first(self) -> Any:
        return self.branches[0]


@MODELS.register_module()
@dataclass(frozen=True)
class TwoStageSettings:
    """What a two-stage detector learns from and gives back.

    Attributes:
        sampler: (proposals, truth, C) to an Assignment.
        selection: Which scored boxes come back.
        objectives: Further losses, Flow to {name: scalar}.
        left_out: (labels, vocabulary) to [C], bool: the classes that the first branch's loss does
            not ask for in this step; the novel ones where None is given.
    """

    sampler: nn.Module
    selection: Selection = field(default_factory=Selection)
    objectives: Sequence[nn.Module] = ()
    left_out: nn.Module | None = None


def _inside(regions: Regions, samples: list[Sample]) -> Tensor:
    """Return which boxes reach into their pictures, and not only into the padding, [R]."""
    sizes = [sample.image.shape[1:] for sample in samples]
    limits = regions.boxes.new_tensor([[w, h, w, h] for h, w in sizes])[regions.owner]
    return box_area(regions.boxes.clamp(min=0).minimum(limits)) > 0


def _size(flow: Flow) -> int:
    return max(flow.images.shape[-2:])


def _joined(parts: list[Regions]) -> Regions:
    """Return the regions of several groups of images, by image, as one batch."""
    boxes = torch.cat([part.boxes for part in parts])
    owner = torch.cat([part.owner for part in parts])
    scores = [part.scores for part in parts if part.scores is not None]
    joined = torch.cat(scores) if len(scores) == len(parts) else None
    return Regions(boxes, owner, joined)[owner.argsort(stable=True)]


def _classes(flow: Flow) -> Tensor:
    if flow.text is None:
        raise RuntimeError("the text slot has not run: begin() comes before any region")
    return flow.text.classes

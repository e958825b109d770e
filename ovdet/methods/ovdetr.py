"""OV-DETR: a detector that is asked one class at a time, by its name or by a picture of it.

Zang et al., "Open-Vocabulary DETR with Conditional Matching", ECCV 2022,
https://arxiv.org/abs/2203.11876, Sec. 4.

Slots: regions (``OvdetrConditions`` is what the query assembly's blocks of queries are asked),
objectives (``OvdetrReconstruction``) and labeler (``OvdetrLabeler``). Proposals, decoder, binary
classifier and the one-to-one criterion are shared parts. Shapes: B images, K conditions, N queries,
R regions, C classes, D embedding width, d width of the queries.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.data import StoredCrops
from ovdet.heads.sets import mean_count
from ovdet.ops import box_iou, unit_norm
from ovdet.registry import MODELS
from ovdet.structures import Conditions, Flow, Regions, Sample, Vocabulary, batch_images


@MODELS.register_module()
class OvdetrConditions(nn.Module):
    """Chooses what a batch is asked, and brings names and pictures to the queries.

    Asked are the classes that the batch's objects have, at most ``count``; the objects of the
    others teach nothing in this step. Where they are few, classes that the batch does not have are
    added, so that a block learns to answer "none". Each condition is the class's name, or a stored
    crop of one of its objects, where there is one.

    Args:
        width: d.
        dim: D.
        count: Most conditions of a step.
        padded: Fewest conditions of a step, absent classes included.
        words: Probability that a condition is the name.
        crops: Embeddings of objects by class; None asks by name alone.
        mask_novel: Whether novel classes are never asked for, present or not: where their objects
            have no boxes, asking would teach that they are absent.
        own: Whether each image is asked for its own classes, as on a device that has one image;
            all are then asked as many, the most that an image needs. Else the batch is asked for
            all that is in it.

    Raises:
        ValueError: If ``words`` lies outside [0, 1], or not 1 <= padded <= count.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        *,
        count: int = 15,
        padded: int = 12,
        words: float = 0.5,
        crops: StoredCrops | None = None,
        mask_novel: bool = False,
        own: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= words <= 1:
            raise ValueError(f"words must lie in [0, 1], got {words}")
        if not 1 <= padded <= count:
            raise ValueError(f"must be 1 <= padded <= count, got {padded} and {count}")
        self.of_words = nn.Linear(dim, width)
        self.of_images = nn.Linear(dim, width)
        self.count = count
        self.padded = padded
        self.words = words
        self.crops = crops
        self.mask_novel = mask_novel
        self.own = own

    def forward(self, conditions: Conditions) -> Tensor:
        """Return what the queries of each block are given, [K, d] or [B, K, d]."""
        seen = conditions.seen[..., None]
        vectors = conditions.vectors
        return torch.where(seen, self.of_images(vectors), self.of_words(vectors))

    def draw(self, flow: Flow) -> Conditions:
        """Choose the conditions of a batch; draws from torch's global generator.

        Args:
            flow: Reads ``samples``, ``vocabulary`` and ``text``.
        """
        chosen = self._classes(flow)
        device = flow.images.device
        vectors = _text(flow)[chosen.to(device)].clone()
        seen = torch.zeros(chosen.shape, dtype=torch.bool)
        for place, label in enumerate(chosen.flatten().tolist()):
            crop = None if self.crops is None else self.crops.draw(label)
            if crop is not None and torch.rand(()) >= self.words:
                vectors.view(-1, vectors.shape[-1])[place] = unit_norm(crop).to(vectors)
                seen.view(-1)[place] = True
        return Conditions(chosen.to(device), vectors, seen.to(device))

    def _classes(self, flow: Flow) -> Tensor:
        """Return the classes asked for, [K] or [B, K]: those present first."""
        allowed = torch.ones(len(flow.vocabulary), dtype=torch.bool)
        if self.mask_novel:
            allowed &= ~torch.tensor(flow.vocabulary.novel_mask)
        there = torch.zeros(len(flow.samples), len(allowed), dtype=torch.bool)
        for row, sample in zip(there, flow.samples, strict=True):
            if sample.boxed and sample.truth.labels is not None:
                row[sample.truth.labels] = True
        if not self.own:
            there = there.any(dim=0, keepdim=True)
        most = int((there & allowed).sum(dim=1).max()) if len(there) else 0
        count = min(max(most, self.padded), self.count, int(allowed.sum()))
        chosen = [self._ask(row, allowed, count) for row in there]
        return torch.stack(chosen) if self.own else chosen[0]

    @staticmethod
    def _ask(present: Tensor, allowed: Tensor, count: int) -> Tensor:
        """Return ``count`` classes: those present, then absent ones."""
        every = [_shuffled(present & allowed), _shuffled(allowed & ~present)]
        return torch.cat(every)[:count]


@MODELS.register_module()
class OvdetrReconstruction(nn.Module):
    """A query that found its object must be able to say what it was asked.

    Names and crops are learnt by the same queries, so this also ties the two together.

    Args:
        width: d.
        dim: D.
        layers: Decoder layers.
        weight: Multiplies the loss, a sum over D and layers and a mean over objects.
    """

    def __init__(self, width: int, dim: int, layers: int, *, weight: float = 2.0) -> None:
        super().__init__()
        self.align = nn.ModuleList(nn.Linear(width, dim) for _ in range(layers))
        self.weight = weight

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Compare.

        Args:
            flow: Reads ``decoded`` and ``conditions``.

        Returns:
            ``loss_condition``, a scalar; 0, still on the graph, when no query has an object.
        """
        total = flow.images.new_zeros(())
        for layer, align in zip(flow.decoded, self.align, strict=True):
            if layer.matches is None or flow.conditions is None:
                total = total + align(layer.hidden).sum() * 0
                continue
            image, block, query = (layer.matches >= 0).nonzero().unbind(dim=1)
            said = unit_norm(align(layer.hidden[image, block, query]).float())
            distance = (said - flow.conditions.given(image, block)).square().sum()
            total = total + distance / mean_count(len(image), said.device)
        return {"loss_condition": self.weight * total}


@MODELS.register_module()
class OvdetrLabeler(nn.Module):
    """Boxes of novel objects that nobody drew, and what CLIP sees in all boxes.

    The names of the novel classes are used before they are asked for: what is learnt from these
    boxes is transductive.

    Args:
        detector: Has ``trunk``, ``proposals``, ``text`` and ``vocabulary``. It must never have seen
            novel boxes.
        teacher: (images, regions) to embeddings [R, D], unit norm, in the space of ``text``.
        count: Proposals looked at in an image, the best.
        overlap: A proposal that overlaps an annotated object, or a better mined one, so much is
            not another object.
        scale: Inverse temperature of the names' softmax.
        least: Least probability, among all names, of the best novel one.
        likeness: Least cosine with that name; a softmax has no way to say "none of these".

    Raises:
        ValueError: If ``least`` or ``overlap`` lies outside [0, 1], or ``likeness`` [-1, 1].
    """

    def __init__(
        self,
        detector: nn.Module,
        teacher: nn.Module,
        *,
        count: int = 60,
        overlap: float = 0.5,
        scale: float = 100.0,
        least: float = 0.5,
        likeness: float = -1.0,
    ) -> None:
        super().__init__()
        if not -1 <= likeness <= 1:
            raise ValueError(f"likeness must lie in [-1, 1], got {likeness}")
        for name, value in (("overlap", overlap), ("least", least)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}")
        self.detector: Any = detector
        self.teacher = teacher
        self.count = count
        self.overlap = overlap
        self.scale = scale
        self.least = least
        self.likeness = likeness

    @torch.no_grad()
    def forward(self, sample: Sample) -> Sample:
        """Return the sample with ``proposals``: annotated objects, then mined ones, labelled.

        Each has its embedding; scores are 1 for annotated objects. Boxes in px of the image.
        """
        self.detector.eval()
        device = next(self.teacher.parameters(), sample.image).device
        images = batch_images([sample], stride=32).to(device)
        regions, _ = self.detector.proposals(self.detector.trunk(images), images)
        truth = sample.truth.with_(masks=None, scores=torch.ones(len(sample.truth))).to(device)
        truth = truth.with_(embeddings=self.teacher(images, truth))
        mined = self._mine(images, _apart(regions[: self.count], truth, self.overlap))
        return replace(sample, proposals=_joined(truth, mined).to("cpu"))

    def _mine(self, images: Tensor, regions: Regions) -> Regions:
        """Return the regions that look like a novel class, with its label, best first."""
        vocabulary: Vocabulary = self.detector.vocabulary
        novel = torch.tensor(vocabulary.novel_mask, device=images.device)
        seen = self.teacher(images, regions)
        cosine = seen @ self.detector.text(vocabulary).classes.T  # [R, C]
        chances = (self.scale * cosine).softmax(dim=1).masked_fill(~novel, 0)
        scores, labels = chances.max(dim=1)
        alike = cosine.gather(1, labels[:, None])[:, 0] >= self.likeness
        named = regions.with_(scores=scores, labels=labels, embeddings=seen)
        named = named[(scores >= self.least) & alike]
        named = named[_scores(named).argsort(descending=True, stable=True)]
        kept = named[:0]
        for index in range(len(named)):
            kept = _joined(kept, _apart(named[index : index + 1], kept, self.overlap))
        return kept


def _apart(regions: Regions, others: Regions, overlap: float) -> Regions:
    """Return the regions that overlap none of the others by ``overlap`` or more."""
    if len(others) == 0:
        return regions
    return regions[box_iou(regions.boxes, others.boxes).amax(dim=1) < overlap]


def _joined(first: Regions, second: Regions) -> Regions:
    joined = Regions.gather([first, second])
    return joined.with_(owner=torch.zeros_like(joined.owner))


def _scores(regions: Regions) -> Tensor:
    if regions.scores is None:
        raise ValueError("regions must have scores here")
    return regions.scores


def _shuffled(chosen: Tensor) -> Tensor:
    """Return the indices that are True in [C], in random order."""
    index = chosen.nonzero().squeeze(1)
    return index[torch.randperm(len(index))]


def _text(flow: Flow) -> Tensor:
    if flow.text is None:
        raise RuntimeError("the text slot has not run: conditions come after it")
    return flow.text.classes

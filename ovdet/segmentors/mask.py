"""The mask segmentor: masks without a class, each then named as a whole.

Shapes: B images, Q queries, R = B Q masks, C classes, D embedding width, H W px.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ovdet.heads import MaskBranch
from ovdet.ops.merging import (
    SegmentRule,
    Window,
    instance_regions,
    panoptic_segments,
    semantic_labels,
)
from ovdet.registry import MODELS
from ovdet.segmentors.base import INSTANCE, PANOPTIC, SEMANTIC, TASKS, Segmentor
from ovdet.segmentors.objects import mask_truth, seen_rows
from ovdet.structures import Flow, InputError, Regions, Sample, Vocabulary, batch_images


@MODELS.register_module()
class MaskSegmentor(Segmentor):
    """Proposes class-agnostic masks and names them by their embeddings.

    Args:
        trunk: [B, 3, H, W], RGB in [0, 1], to levels [B, c, h, w], finest first.
        text: Vocabulary to Text.
        proposals: Levels to MaskQueries a decoder layer, the last one last.
        branches: Embedders with their classifiers. The first one learns the labels, after every
            layer of the decoder; what the others learn is up to the objectives.
        scores: (probabilities of the branches, novel [C]) to scores [R, C].
        criterion: (queries, logits [B, Q, C + 1], truth of each image) to ({name: scalar},
            matches [B, Q]).
        settings: What it learns from and gives back.
        task: What ``forward`` predicts. Where it is ``semantic``, one mask is learnt for each class
            of an image's label map, else one for each object.
    """

    tasks: ClassVar[tuple[str, ...]] = TASKS

    # Slots are called by their Protocols (structures/slots.py), not by nn.Module's own types.
    trunk: Any
    text: Any

    def __init__(
        self,
        *,
        trunk: nn.Module,
        text: nn.Module,
        proposals: nn.Module,
        branches: Sequence[MaskBranch],
        scores: nn.Module,
        criterion: nn.Module,
        settings: "MaskSettings | None" = None,
        task: str = SEMANTIC,
    ) -> None:
        super().__init__(task)
        self.trunk = trunk
        self.text = text
        self.masks = proposals
        self.branches = nn.ModuleList(branches)
        self.scores = scores
        self.criterion = criterion
        self.settings = settings or MaskSettings()
        self.objectives = nn.ModuleList(self.settings.objectives)

    def begin(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        """Run the parts that come before any name: images, features, text, masks."""
        device = next(self.parameters()).device
        images = batch_images(samples, stride=self.settings.stride).to(device)
        flow = Flow(images, samples, vocabulary, features=self.trunk(images))
        flow.text = self.text(vocabulary)
        flow.encode_words = self.text.encode_words
        flow.masks = self.masks(flow.features)
        flow.regions = flow.masks[-1].regions(*images.shape[-2:])
        return flow

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return all losses of a batch, ``loss_*``, scalars; those of a layer end in its number.

        Args:
            samples: B samples; labels and label maps index ``vocabulary``. From those without
                labels only the objectives learn.
            vocabulary: C classes; the novel ones are not asked for.
        """
        flow = self.begin(samples, vocabulary.pick(seen_rows(vocabulary)))
        size = (flow.images.shape[-2], flow.images.shape[-1])
        truth = mask_truth(samples, vocabulary, size, merged=self.task == SEMANTIC)
        losses: dict[str, Tensor] = {}
        if any(one is not None for one in truth):
            losses |= self._supervise(flow, truth)
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

    def _supervise(self, flow: Flow, truth: Sequence[Regions | None]) -> dict[str, Tensor]:
        """Fill ``matches`` of each layer and return the losses of the labelled images."""
        device = flow.images.device
        rows = torch.tensor([i for i, one in enumerate(truth) if one is not None], device=device)
        known = [one.to(device) for one in truth if one is not None]
        classes = self._classes(flow, 0)
        losses: dict[str, Tensor] = {}
        for index, layer in enumerate(flow.masks):
            regions = layer.regions(*flow.images.shape[-2:])
            flow.embeddings, logits = self.branches[0](flow.features, regions, flow.images, classes)
            flow.logits = [logits]
            each = logits.unflatten(0, layer.logits.shape[:2])  # [B, Q, C + 1]
            own, matches = self.criterion(layer.of_images(rows), each[rows], known)
            losses |= {f"loss_{name}_{index}": value for name, value in own.items()}
            layer.matches = torch.full(layer.logits.shape[:2], -1, device=device)
            layer.matches[rows] = matches
        return losses

    @torch.no_grad()
    def segment(
        self, samples: list[Sample], vocabulary: Vocabulary, task: str = SEMANTIC
    ) -> list[Any]:
        """Name pixels.

        Args:
            samples: B samples; labels are not read.
            vocabulary: Any C classes.
            task: ``semantic``, ``instance`` or ``panoptic``.

        Returns:
            For each sample its prediction, in px of its file, as ``TASKS`` says. Every pixel gets a
            class where ``task`` is ``semantic``.

        Raises:
            InputError: If ``task`` is none of these.
        """
        self.check_task(task)
        flow = self.begin(samples, vocabulary)
        scores, void = self._score(flow)
        merge = {SEMANTIC: self._semantic, INSTANCE: self._instance, PANOPTIC: self._panoptic}[task]
        count = flow.masks[-1].logits.shape[1]
        parts = zip(torch.split(scores, count), torch.split(void, count), strict=True)
        return [merge(flow, image, *part) for image, part in enumerate(parts)]

    def _score(self, flow: Flow) -> tuple[Tensor, Tensor]:
        """Return the scores [R, C] of the masks, and how sure the first branch is of none, [R]."""
        void: Tensor | None = None
        probabilities = []
        branch: Any
        for index, branch in enumerate(self.branches):
            classes = self._classes(flow, index)
            embeddings, logits = branch(flow.features, flow.regions, flow.images, classes)
            probabilities.append(branch.probabilities(logits, void))
            flow.logits.append(logits)
            if index == 0:
                flow.embeddings = embeddings
                void = logits[:, len(classes)] if logits.shape[1] > len(classes) else None
        fused: Tensor = self.scores(probabilities, self._novel(flow))
        return fused.float(), (1 - probabilities[0].sum(dim=1)).clamp(min=0).float()

    def _semantic(self, flow: Flow, image: int, scores: Tensor, void: Tensor) -> Tensor:  # noqa: ARG002
        logits, window = _placed(flow, image)
        shift = torch.where(self._novel(flow), 0.0, -self.settings.seen_bias)
        return semantic_labels(scores, logits, window, shift)

    def _instance(self, flow: Flow, image: int, scores: Tensor, void: Tensor) -> Regions:  # noqa: ARG002
        logits, window = _placed(flow, image)
        things = self._things(flow).nonzero().flatten()
        chosen = self.settings
        found = instance_regions(
            scores[:, things], logits, window, top=chosen.top, threshold=chosen.mask_threshold
        )
        return found if found.labels is None else found.with_(labels=things[found.labels])

    def _panoptic(
        self, flow: Flow, image: int, scores: Tensor, void: Tensor
    ) -> tuple[Tensor, dict[int, int]]:
        logits, window = _placed(flow, image)
        best, labels = scores.max(dim=1)
        kept = (best > self.settings.object_score) & (best > void)
        rule = SegmentRule(self.settings.mask_threshold, self.settings.overlap)
        return panoptic_segments(
            best[kept], labels[kept], logits[kept], window, ~self._things(flow), rule
        )

    def _classes(self, flow: Flow, branch: int) -> Tensor:
        """Return the text [C, D] that a branch reads."""
        own: Any = self.branches[branch].text
        text = flow.text if own is None else own(flow.vocabulary)
        if text is None:
            raise RuntimeError("the text slot has not run: begin() comes before any name")
        classes: Tensor = text.classes
        return classes

    def _novel(self, flow: Flow) -> Tensor:
        return torch.tensor(flow.vocabulary.novel_mask, device=flow.images.device)

    def things(self, vocabulary: Vocabulary) -> tuple[bool, ...]:
        """Return for each class whether it is countable: all that the settings do not list."""
        known = set(self.settings.stuff)
        return tuple(name not in known for name in vocabulary.names)

    def _things(self, flow: Flow) -> Tensor:
        return torch.tensor(self.things(flow.vocabulary), device=flow.images.device)


@MODELS.register_module()
@dataclass(frozen=True)
class MaskSettings:
    """What a mask segmentor learns from and gives back.

    Attributes:
        objectives: Further losses, Flow to {name: scalar}; ``flow.masks`` holds the queries of
            every layer.
        seen_bias: Taken from the sums of classes that are not novel before a pixel's class is
            chosen, at least 0: whoever learnt only them says them too often.
        stuff: Names of what is not countable; all other names are things.
        mask_threshold: From which probability on a pixel belongs to a mask, in (0, 1).
        object_score: Least score of a panoptic segment.
        overlap: Least part of its mask that a panoptic segment must win, in [0, 1].
        top: Most instances an image.
        stride: Both sides of a batch are padded to multiples of this, px.

    Raises:
        InputError: If a number is out of its range, or ``stuff`` is a bare string.
    """

    objectives: Sequence[nn.Module] = ()
    seen_bias: float = 0.0
    stuff: Sequence[str] = ()
    mask_threshold: float = 0.5
    object_score: float = 0.8
    overlap: float = 0.8
    top: int = 100
    stride: int = 32

    def __post_init__(self) -> None:
        if isinstance(self.stuff, str):
            raise InputError(f"stuff must be a list of names, got the bare string {self.stuff!r}")
        if not 0 < self.mask_threshold < 1:
            raise InputError(f"mask_threshold must lie in (0, 1), got {self.mask_threshold}")
        for name, most in (("seen_bias", float("inf")), ("object_score", 1), ("overlap", 1)):
            if not 0 <= getattr(self, name) <= most:
                raise InputError(f"{name} must lie in [0, {most}], got {getattr(self, name)}")
        if self.top < 1:
            raise InputError(f"top must be at least 1 instance, got {self.top}")
        if self.stride < 1:
            raise InputError(f"stride must be at least 1 px, got {self.stride}")


def _placed(flow: Flow, image: int) -> tuple[Tensor, Window]:
    """Return an image's mask logits [Q, h, w], and where the pixels of its file lie on them."""
    logits = flow.masks[-1].logits[image].float()
    sample = flow.samples[image]
    height, width = flow.images.shape[-2:]
    across, down = sample.scale
    steps = (down * logits.shape[1] / height, across * logits.shape[2] / width)
    return logits, Window.of(sample.original_size, steps, logits.device)

"""Names regions whose embeddings are known: text learns from them, and no picture is looked at.

Shapes: B samples, R regions, C classes, D embedding width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ovdet.ops import best_overlap
from ovdet.registry import MODELS
from ovdet.structures import Flow, InputError, Regions, Sample, Vocabulary


@MODELS.register_module()
class RegionRecognizer(BaseModel):  # type: ignore[misc]
    """Prepared regions against text.

    Args:
        text: Vocabulary to Text.
        classifier: ([R, D], [C, D]) to logits.
        objectives: What is learnt, Flow to {name: scalar}. They find in ``regions`` each region's
            class (C for background), its overlap with that object as ``scores``, and its embedding.
        iou: From this overlap with an object on a region has its class.

    Attributes:
        vocabulary: The classes of the labels and of ``forward``; set by whoever runs the model.
    """

    # Slots are called by their Protocols (structures/slots.py), not by nn.Module's own types.
    text: Any
    classifier: Any

    def __init__(
        self,
        text: nn.Module,
        classifier: nn.Module,
        objectives: Sequence[nn.Module] = (),
        *,
        iou: float = 0.5,
    ) -> None:
        super().__init__()
        self.text = text
        self.classifier = classifier
        self.objectives = nn.ModuleList(objectives)
        self.iou = iou
        self.vocabulary: Vocabulary | None = None

    def forward(self, samples: list[Sample], mode: str = "loss") -> Any:
        """Learn from samples or name their regions, with ``self.vocabulary``.

        Args:
            samples: B samples with ``proposals`` that have embeddings.
            mode: ``loss`` gives {name: scalar}; ``predict`` one Regions a sample, its proposals
                each with the best class and its probability, in px of the stored image.

        Raises:
            InputError: If no vocabulary has been set, or a sample is not prepared.
        """
        if self.vocabulary is None:
            raise InputError("the recognizer has no vocabulary: set recognizer.vocabulary first")
        if mode == "loss":
            return self.loss(samples, self.vocabulary)
        return self.predict(samples, self.vocabulary)

    def begin(self, samples: list[Sample], vocabulary: Vocabulary) -> Flow:
        """Return the flow with text and the samples' regions."""
        regions = Regions.gather([_prepared(sample) for sample in samples]).to(self._device)
        nothing = torch.zeros(len(samples), 3, 0, 0, device=self._device)
        flow = Flow(nothing, samples, vocabulary, text=self.text(vocabulary))
        flow.proposals = flow.regions = regions
        flow.embeddings = regions.embeddings
        flow.classify = lambda embeddings, _branch: self._logits(flow, embeddings)
        flow.encode_words = self.text.encode_words
        return flow

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return the objectives' losses, ``loss_*``, scalars."""
        flow = self.begin(samples, vocabulary)
        parts = [self._placed(sample, len(vocabulary)) for sample in samples]
        labels, overlaps = (torch.cat(rows).to(self._device) for rows in zip(*parts, strict=True))
        flow.regions = flow.regions.with_(labels=labels, scores=overlaps)
        losses: dict[str, Tensor] = {}
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

    def predict(self, samples: list[Sample], vocabulary: Vocabulary) -> list[Regions]:
        """Return each sample's regions with the best of any C classes and its probability."""
        flow = self.begin(samples, vocabulary)
        if flow.embeddings is None:  # no sample has a region
            return [_prepared(sample) for sample in samples]
        probabilities = self.classifier.probabilities(self._logits(flow, flow.embeddings))
        best, labels = probabilities.max(dim=1)
        named = flow.regions.with_(scores=best, labels=labels, embeddings=None)
        found = [named.of_image(index) for index in range(len(samples))]
        return [
            one.with_(boxes=sample.to_original(one.boxes))
            for one, sample in zip(found, samples, strict=True)
        ]

    def _placed(self, sample: Sample, classes: int) -> tuple[Tensor, Tensor]:
        """Return for each prepared region its class, C for background, and its overlap."""
        truth = sample.truth
        overlap, index = best_overlap(_prepared(sample).boxes, truth.boxes)
        labels = torch.full_like(index, classes)
        if truth.labels is not None and len(truth):
            labels = torch.where(overlap >= self.iou, truth.labels[index], labels)
        return labels, overlap

    def _logits(self, flow: Flow, embeddings: Tensor) -> Tensor:
        if flow.text is None:
            raise RuntimeError("the text slot has not run: begin() comes before any logits")
        logits: Tensor = self.classifier(embeddings, flow.text.classes)
        return logits

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.parameters()).device
        return device


def _prepared(sample: Sample) -> Regions:
    proposals = sample.proposals
    if proposals is None or proposals.embeddings is None:
        raise InputError(
            "regions must be prepared with their embeddings (LoadProposals), "
            f"image {sample.image_id} has none"
        )
    return proposals

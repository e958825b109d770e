"""Embeddings against text: the classifier every open-vocabulary head ends in."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops import cosine_logits, unit_norm
from ovdet.registry import MODELS

_BACKGROUNDS = ("learned", "zero", "none")


@MODELS.register_module()
class CosineClassifier(nn.Module):
    """Scaled cosine with the text embeddings, plus a background column.

    The vocabulary is an argument of the call, so it can be another one each time.

    Args:
        dim: D.
        scale: Inverse temperature.
        background: ``learned`` is a vector trained with the rest (ViLD), ``zero`` a constant logit
            of 0 (Detic), ``none`` no column.
        mask_novel: Whether training leaves novel classes out of the softmax; False where novel
            objects are labelled too (an oracle).

    Raises:
        ValueError: If ``background`` is none of the three or ``scale`` is not positive.
    """

    def __init__(
        self,
        dim: int,
        *,
        scale: float = 50.0,
        background: str = "learned",
        mask_novel: bool = True,
    ) -> None:
        super().__init__()
        if background not in _BACKGROUNDS:
            raise ValueError(f"background must be one of {_BACKGROUNDS}, got {background!r}")
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        self.scale = scale
        self.background = background
        self.mask_novel = mask_novel
        if background == "learned":
            self.background_vector = nn.Parameter(torch.randn(1, dim) * 0.01)

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """Return the logits.

        Args:
            embeddings: [R, D], unit norm.
            classes: [C, D], unit norm.

        Returns:
            [R, C + 1], background last; [R, C] without a background.
        """
        logits = cosine_logits(embeddings, classes, self.scale)
        if self.background == "none":
            return logits
        if self.background == "zero":
            return F.pad(logits, (0, 1))
        nothing = cosine_logits(embeddings, unit_norm(self.background_vector), self.scale)
        return torch.cat([logits, nothing], dim=1)

    def loss(self, logits: Tensor, labels: Tensor, novel: Tensor) -> Tensor:
        """Return the cross entropy over the base classes and the background.

        Novel classes are taken out of the softmax (their logits count as minus infinity); the
        logits themselves are left as they are.

        Args:
            logits: [R, C + 1], or [R, C] without a background.
            labels: [R], int64, C for background.
            novel: [C], bool.

        Returns:
            A scalar; 0, still on the graph, when R is 0.
        """
        if len(logits) == 0:
            return logits.sum() * 0
        if not self.mask_novel:
            return F.cross_entropy(logits, labels)
        hidden = F.pad(novel, (0, logits.shape[1] - len(novel)))
        return F.cross_entropy(logits.masked_fill(hidden, float("-inf")), labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the softmax [R, C], the background taking its share before it is dropped."""
        probabilities = logits.softmax(dim=1)
        return probabilities if self.background == "none" else probabilities[:, :-1]


@MODELS.register_module()
class RegionBranch(nn.Module):
    """An embedder with the classifier that reads it.

    Args:
        embedder: (levels, regions, image size) to [R, D], unit norm.
        classifier: ([R, D], [C, D]) to logits.
    """

    def __init__(self, embedder: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.embedder = embedder
        self.classifier = classifier

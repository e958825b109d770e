"""Embeddings against text: the classifier every open-vocabulary head ends in."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops import Comparison, cosine_logits, unit_norm
from ovdet.registry import MODELS

_BACKGROUNDS = ("learned", "free", "text", "zero", "none")


@MODELS.register_module()
class CosineClassifier(nn.Module):
    """Scaled cosine with the text embeddings, plus a background column.

    The vocabulary is an argument of the call, so it can be another one each time. Cosines are taken
    in full precision: their scale multiplies the rounding of a half one.

    Args:
        dim: D.
        scale: Inverse temperature.
        background: ``learned`` is a vector trained with the rest (ViLD), ``free`` one whose length
            is trained too (a temperature of its own), ``text`` the embedding of a word for it
            (F-VLM), ``zero`` a constant logit of 0 (Detic), ``none`` no column.
        mask_novel: Whether training leaves novel classes out of the softmax; False where novel
            objects are labelled too (an oracle).
        vector: [1, D], the embedding that ``text`` takes (``WordVector``).
        learn_scale: Whether the temperature is trained, as a factor that starts at 1.
        background_weight: Of a background region in the loss, relative to one of a class.

    Raises:
        ValueError: If ``background`` is none of the five, ``text`` comes without a vector of that
            width or another one with it, or a number is not positive.
    """

    def __init__(
        self,
        dim: int,
        *,
        scale: float = 50.0,
        background: str = "learned",
        mask_novel: bool = True,
        vector: Tensor | None = None,
        learn_scale: bool = False,
        background_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if background not in _BACKGROUNDS:
            raise ValueError(f"background must be one of {_BACKGROUNDS}, got {background!r}")
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        if background_weight <= 0:
            raise ValueError(f"background_weight must be positive, got {background_weight}")
        self.scale = scale
        self.background = background
        self.mask_novel = mask_novel
        self.background_weight = background_weight
        if background == "learned":
            self.background_vector = nn.Parameter(torch.randn(1, dim) * 0.01)
        if background == "free":
            self.background_vector = nn.Parameter(torch.empty(1, dim))
            nn.init.uniform_(self.background_vector, -(dim**-0.5), dim**-0.5)
        _check_vector(vector, background, dim)
        if vector is not None:
            self.register_buffer("background_vector", vector.detach().clone())
        self.log_temperature = nn.Parameter(torch.zeros(())) if learn_scale else None

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """Return the logits.

        Args:
            embeddings: [R, D], unit norm.
            classes: [C, D], unit norm.

        Returns:
            [R, C + 1], background last; [R, C] without a background. At least float32.
        """
        background = self._background(classes)
        rows = classes if background is None else torch.cat([classes, background])
        logits = full_cosine_logits(embeddings, rows, self.scale)
        if self.log_temperature is not None:
            logits = logits * (-self.log_temperature).exp()
        return logits

    def _background(self, classes: Tensor) -> Tensor | None:
        """Return the vector [1, D] whose logit is the background's."""
        if self.background == "none":
            return None
        if self.background == "zero":
            return classes.new_zeros(1, classes.shape[1])
        learnt: Tensor = self.background_vector
        vector = learnt if self.background == "free" else unit_norm(learnt)
        return vector.to(classes.dtype)

    def comparison(self, embeddings: Tensor, classes: Tensor) -> Comparison:
        """Return what :meth:`probabilities` of :meth:`forward` are computed from.

        Args:
            embeddings: [R, D], unit norm.
            classes: [C, D], unit norm.
        """
        scale = self.scale
        if self.log_temperature is not None:
            scale *= float((-self.log_temperature).exp())
        background = self._background(classes)
        return Comparison(embeddings, classes, scale, softmax=True, background=background)

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
        if self.mask_novel:
            hidden = F.pad(novel, (0, logits.shape[1] - len(novel)))
            logits = logits.masked_fill(hidden, float("-inf"))
        if self.background_weight == 1:
            return F.cross_entropy(logits, labels)
        weights = torch.where(labels == len(novel), self.background_weight, 1.0)
        return (F.cross_entropy(logits, labels, reduction="none") * weights).mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the softmax [R, C], the background taking its share before it is dropped."""
        probabilities = logits.softmax(dim=1)
        return probabilities if self.background == "none" else probabilities[:, :-1]


@MODELS.register_module()
class SigmoidClassifier(nn.Module):
    """Each class asked by itself: a scaled cosine through a sigmoid (Detic, Zhou 2022, Sec. 4).

    There is no background column: a region without a class says no to all of them. (A text
    embedding of zeros, the published background, always scores 0 and teaches nothing.)

    Args:
        scale: Inverse temperature; 50 in the published code.

    Raises:
        ValueError: If ``scale`` is not positive.
    """

    def __init__(self, *, scale: float = 50.0) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        self.scale = scale

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """Return logits [R, C], at least float32, of [R, D] and [C, D], both unit norm."""
        return full_cosine_logits(embeddings, classes, self.scale)

    def loss(self, logits: Tensor, labels: Tensor, novel: Tensor) -> Tensor:
        """Return the binary cross entropy, a sum over the classes asked and a mean over regions.

        Args:
            logits: [R, C].
            labels: [R], int64, C for background.
            novel: [C], bool, True for classes that are left out.

        Returns:
            A scalar; 0, still on the graph, when R is 0.
        """
        if len(logits) == 0:
            return logits.sum() * 0
        wanted = F.one_hot(labels, logits.shape[1] + 1)[:, :-1].to(logits.dtype)
        each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return each.masked_fill(novel, 0).sum() / len(logits)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return [R, C], in [0, 1]; they need not sum to 1."""
        return logits.sigmoid()

    def comparison(self, embeddings: Tensor, classes: Tensor) -> Comparison:
        """Return what :meth:`probabilities` of :meth:`forward` are computed from."""
        return Comparison(embeddings, classes, self.scale)


def full_cosine_logits(embeddings: Tensor, classes: Tensor, scale: float) -> Tensor:
    """Return :func:`cosine_logits` in at least float32, whatever autocast would make of it."""
    wide = torch.promote_types(embeddings.dtype, torch.float32)
    with torch.autocast(embeddings.device.type, enabled=False):
        return cosine_logits(embeddings.to(wide), classes.to(wide), scale)


def _check_vector(vector: Tensor | None, background: str, dim: int) -> None:
    if (vector is not None) != (background == "text"):
        raise ValueError(f"a vector goes with background 'text' alone, got {background!r}")
    if vector is not None and vector.shape != (1, dim):
        raise ValueError(f"vector must be [1, {dim}], got {list(vector.shape)}")


@MODELS.register_module()
class RegionBranch(nn.Module):
    """An embedder with the classifier that reads it.

    Args:
        embedder: (levels, regions, image size) to [R, D], unit norm.
        classifier: ([R, D], [C, D]) to logits; ``comparison`` of both says what probabilities are
            computed from.
    """

    def __init__(self, embedder: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.embedder = embedder
        self.classifier = classifier

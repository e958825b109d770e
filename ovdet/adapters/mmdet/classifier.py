"""mmdet's class layers, with text where their weights were.

Shapes: B images, C classes, D embedding width, A anchors a place, h w of a level, E of a query.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.heads import CosineClassifier
from ovdet.ops import unit_norm
from ovdet.structures import InputError


class TextLayer(nn.Module):
    """What the class layers share: a projection, the cosine with text, a bias.

    Args:
        dim: D.
        scale: Inverse temperature.
        background: Whether there is a trained column for it, last.
        prior: What a sigmoid shall say before training, as the focal loss wants it (RetinaNet, Lin
            2017, Sec. 4.1); None for no bias.

    Attributes:
        classes: [C, D], unit norm: what is asked for. Whoever runs the layer sets it.
    """

    def __init__(self, dim: int, scale: float, *, background: bool, prior: float | None) -> None:
        super().__init__()
        kind = "learned" if background else "none"
        self.cosine = CosineClassifier(dim, scale=scale, background=kind)
        start = None if prior is None else torch.tensor([-math.log(1 / prior - 1)])
        self.bias = None if start is None else nn.Parameter(start)
        self.classes: Tensor | None = None

    @property
    def out_features(self) -> int:
        """The number of columns; mmdet reads it."""
        return len(self._asked()) + (self.cosine.background != "none")

    def compare(self, embeddings: Tensor, classes: Tensor | None = None) -> Tensor:
        """Return logits [..., C] or [..., C + 1] of [..., D], of any norm.

        Args:
            embeddings: [..., D].
            classes: [C, D], unit norm; those that are asked for when None.
        """
        rows = unit_norm(embeddings.flatten(0, -2))
        logits: Tensor = self.cosine(
            rows, (self._asked() if classes is None else classes).to(rows.device)
        )
        if self.bias is not None:
            logits = logits + self.bias
        return logits.view(*embeddings.shape[:-1], logits.shape[-1])

    def _asked(self) -> Tensor:
        if self.classes is None:
            raise InputError("a text layer of mmdet's head has no classes: MmdetDetector sets them")
        return self.classes


class TextClassifier(TextLayer):
    """A linear class layer with text in it: mmdet's ``cls_predictor_cfg``, or a query's layer.

    Args:
        in_features: E.
        out_features: What mmdet would have: taken and not read, the vocabulary decides.
        dim: D.
        scale: Inverse temperature.
        background: Whether there is a trained column for it, last.
        prior: As for :class:`TextLayer`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int | None = None,  # noqa: ARG002 - mmdet always gives it
        *,
        dim: int,
        scale: float = 50.0,
        background: bool = True,
        prior: float | None = None,
    ) -> None:
        super().__init__(dim, scale, background=background, prior=prior)
        self.project = nn.Linear(in_features, dim, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits [..., C (+ 1)] of [..., E]."""
        return self.compare(self.project(hidden))

    def embed(self, hidden: Tensor) -> Tensor:
        """Return what is compared with text, [..., D], unit norm, of [..., E]."""
        return unit_norm(self.project(hidden))


class TextConv(TextLayer):
    """A convolutional class layer with text in it, of a one-stage head.

    Args:
        conv: The layer it takes the place of; its shape is read.
        anchors: A.
        dim: D.
        scale: Inverse temperature.
        prior: As for :class:`TextLayer`.
    """

    def __init__(
        self, conv: nn.Conv2d, anchors: int, *, dim: int, scale: float, prior: float
    ) -> None:
        super().__init__(dim, scale, background=False, prior=prior)
        shape: dict[str, Any] = {"kernel_size": conv.kernel_size, "padding": conv.padding}
        self.anchors = anchors
        self.project = nn.Conv2d(conv.in_channels, anchors * dim, bias=False, **shape)

    def forward(self, level: Tensor) -> Tensor:
        """Return logits [B, A C, h, w] of [B, c, h, w], an anchor's classes side by side."""
        hidden = self.project(level).unflatten(1, (self.anchors, -1))  # [B, A, D, h, w]
        logits = self.compare(hidden.movedim(2, -1))  # [B, A, h, w, C]
        return logits.movedim(-1, 2).flatten(1, 2)


class TextLabels(nn.Module):
    """Embeddings of labels for a denoising query, made of text (DINO, Zhang 2023, Sec. 3.3).

    Args:
        width: E.
        dim: D.

    Attributes:
        classes: [C, D], unit norm.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, width)
        self.classes: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """[C, E]; mmdet reads it to keep an empty batch on the graph."""
        if self.classes is None:
            raise InputError("the label embedding has no classes: MmdetDetector sets them")
        rows: Tensor = self.project(self.classes.to(self.project.weight.device))
        return rows

    def forward(self, labels: Tensor) -> Tensor:
        """Return [N, E] of labels [N], in [0, C)."""
        return self.weight[labels]

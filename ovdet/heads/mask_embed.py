"""Masks to embeddings: what their queries gathered, or what an image encoder sees in them.

Masks come as regions whose boxes are the canvas, see ``MaskQueries.regions``.

Shapes: B images, R regions, c query width, D embedding width, H W px, S side of a crop, px.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops import crop_regions, unit_norm
from ovdet.ops.masks import mask_boxes
from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions
from ovdet.vision import Frozen
from ovdet.vision.pixels import CLIP_MEAN

_MODES = ("cropmask", "crop", "mask")
_AT_ONCE = 2**24  # px of painted pictures held at a time: 192 MiB in float32


@MODELS.register_module()
class QueryEmbedder(nn.Module):
    """A mask is named by the vector of its query, projected.

    Args:
        width: c.
        dim: D.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, dim)

    def forward(self, levels: list[Tensor], regions: Regions, images: Tensor) -> Tensor:  # noqa: ARG002
        """Return [R, D], unit norm, at least float32."""
        if regions.embeddings is None:
            raise InputError("queries are named by their vectors, the regions have none")
        projected: Tensor = self.project(regions.embeddings)
        return unit_norm(projected.to(torch.promote_types(projected.dtype, torch.float32)))


@MODELS.register_module()
class MaskCropEmbedder(nn.Module):
    """A mask is named by what an image encoder sees of it: cut out, painted over, or both.

    Args:
        encoder: Crops [N, 3, S, S], RGB in [0, 1], to embeddings [N, D]. Frozen here.
        size: S.
        mode: ``cropmask`` fills what lies outside the mask and looks at the mask's box, ``crop``
            looks at the box as it is, ``mask`` at the whole picture filled.
        fill: The colour outside the mask, RGB in [0, 1]; the encoder's mean, so that it sees zeros.
        threshold: A pixel belongs to the mask above this, in (0, 1). A mask without a pixel is
            looked at as the whole canvas, unfilled where ``mode`` is ``crop``.
        chunk: Masks drawn and embedded at once; fewer where pictures are large.

    Raises:
        ValueError: If ``mode`` is none of the three.
    """

    fill: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        size: int = 224,
        mode: str = "cropmask",
        fill: Sequence[float] = CLIP_MEAN,
        threshold: float = 0.5,
        chunk: int = 64,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {_MODES}, got {mode!r}")
        self.encoder = Frozen(encoder)
        self.size = size
        self.mode = mode
        self.threshold = threshold
        self.chunk = chunk
        self.register_buffer("fill", torch.tensor(fill).view(3, 1, 1), persistent=False)

    @torch.no_grad()
    def forward(self, levels: list[Tensor], regions: Regions, images: Tensor) -> Tensor:  # noqa: ARG002
        """Return [R, D], unit norm.

        Args:
            levels: Not read.
            regions: R masks over the canvas.
            images: [B, 3, H, W], RGB in [0, 1].

        Raises:
            InputError: If the regions have no masks.
        """
        if regions.masks is None:
            raise InputError("what a mask holds is looked at, the regions have no masks")
        step = max(1, min(self.chunk, _AT_ONCE // images[0, 0].numel()))
        starts = range(0, max(len(regions), 1), step)
        crops = (self._look(regions[start : start + step], images) for start in starts)
        return unit_norm(torch.cat([self.encoder(crop) for crop in crops]).float())

    def _look(self, regions: Regions, images: Tensor) -> Tensor:
        """Return the crops [N, 3, S, S] of a few masks."""
        height, width = images.shape[-2:]
        pictures = images[regions.owner]
        soft: Any = regions.masks
        drawn = F.interpolate(soft[:, None], (height, width), mode="bilinear", align_corners=False)
        inside = drawn > self.threshold  # [N, 1, H, W]
        if self.mode != "crop":
            pictures = torch.where(inside, pictures, self.fill.to(pictures.dtype))
        boxes = regions.boxes
        if self.mode != "mask":
            tight = mask_boxes(inside[:, 0])
            boxes = torch.where(inside.flatten(1).any(dim=1)[:, None], tight, boxes)
        owner = torch.arange(len(regions), device=images.device)
        return crop_regions(pictures, Regions(boxes, owner), self.size)


@MODELS.register_module()
class MaskBranch(nn.Module):
    """An embedder of masks with the classifier that reads it.

    Args:
        embedder: (levels, regions, images) to [R, D], unit norm.
        classifier: ([R, D], [C, D]) to logits.
        text: Vocabulary to Text, where the branch reads words of its own; None where it reads the
            segmentor's.
        shares_void: Whether the first branch's void logit takes its share of this one's softmax
            too: for a branch that cannot tell that there is nothing.
    """

    embedder: Any
    classifier: Any
    text: Any

    def __init__(
        self,
        embedder: nn.Module,
        classifier: nn.Module,
        *,
        text: nn.Module | None = None,
        shares_void: bool = False,
    ) -> None:
        super().__init__()
        self.embedder = embedder
        self.classifier = classifier
        self.text = text
        self.shares_void = shares_void

    def forward(
        self, levels: list[Tensor], regions: Regions, images: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the embeddings [R, D] and the logits against classes [C, D]."""
        embeddings: Tensor = self.embedder(levels, regions, images)
        logits: Tensor = self.classifier(embeddings, classes)
        return embeddings, logits

    def probabilities(self, logits: Tensor, void: Tensor | None) -> Tensor:
        """Return the probabilities [R, C] of logits.

        Args:
            logits: [R, C], or [R, C + 1] with the void last.
            void: [R], the void logit of the first branch; None where it has none.
        """
        if self.shares_void and void is not None:
            both = torch.cat([logits, void[:, None]], dim=1)
            return both.softmax(dim=1)[:, :-1]
        probabilities: Tensor = self.classifier.probabilities(logits)
        return probabilities

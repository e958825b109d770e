"""Masks of a proposer, named by a CLIP that looks at each.

Shapes: R masks, C classes, D width.
"""

from typing import Any

import torch
from torch import Tensor

from ovdet.adapters.transformers.proposals import FolderMasks, PictureLevels
from ovdet.adapters.transformers.sized import SizedMaskSegmentor
from ovdet.heads import (
    CosineClassifier,
    FirstScores,
    MaskBranch,
    MaskCropEmbedder,
    MaskSetCriterion,
)
from ovdet.registry import MODELS
from ovdet.segmentors import MaskSegmentor, MaskSettings
from ovdet.structures import Regions
from ovdet.text import OpenClipText, TextClasses
from ovdet.vision import ClipImageEncoder

_SCALE = 100.0  # at which CLIP's own temperature ends
_LEAST = 1e-6


@MODELS.register_module()
class ProposedBranch(MaskBranch):
    """Believes the proposer that there is something, and its own embedder what it is.

    A class's probability is the proposer's that there is an object times its share among the
    names. The regions' ``embeddings`` [R, 1] are the proposer's probabilities.
    """

    def forward(
        self, levels: list[Tensor], regions: Regions, images: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the embeddings [R, D] and the logits [R, C + 1], the void last."""
        embeddings, logits = super().forward(levels, regions, images, classes)
        sure: Any = regions.embeddings
        sure = sure.clamp(_LEAST, 1 - _LEAST)
        joined = [logits.float().log_softmax(dim=1) + sure.log(), (1 - sure).log()]
        return embeddings, torch.cat(joined, dim=1)

    def probabilities(self, logits: Tensor, void: Tensor | None) -> Tensor:
        """Return the probabilities [R, C]; ``void`` stands in the logits already."""
        del void
        return logits.softmax(dim=1)[:, :-1]


def name_masks(proposals: FolderMasks, clip: str) -> SizedMaskSegmentor:
    """Return a segmentor of a proposer's masks and a CLIP's names.

    Args:
        proposals: The proposer, which also sizes the pictures.
        clip: A file or a folder of a whole CLIP model, as ``read_clip`` reads it.

    Raises:
        InputError: If there is no such CLIP.
    """
    encoder = ClipImageEncoder(None, clip)
    branch = ProposedBranch(
        MaskCropEmbedder(encoder, size=encoder.size),
        CosineClassifier(encoder.dim, scale=_SCALE, background="none"),
    )
    inner = MaskSegmentor(
        trunk=PictureLevels(),
        text=TextClasses(OpenClipText(None, clip)),
        proposals=proposals,
        branches=[branch],
        scores=FirstScores(),
        criterion=MaskSetCriterion(),
        # A segment must be likelier than nothing; names share what is left of certainty.
        settings=MaskSettings(object_score=0.0, stride=1),
    )
    return SizedMaskSegmentor(inner, proposals.pictures)

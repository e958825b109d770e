"""DetPro: learn the words around a class name from a detector's own loose and partial boxes.

Du et al., "Learning to Prompt for Open-Vocabulary Object Detection with Vision-Language Model",
CVPR 2022, https://arxiv.org/abs/2203.14940, Sec. 3.2 and 3.3.

Slot: objectives, in a recognizer of prepared regions; the text slot it teaches is the shared
``LearnedPrompts``, one context for each band of overlap, and the detector of the second stage is
ViLD's with these prompts. Shapes: R regions, C classes, K bands, D embedding width.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops import cosine_logits
from ovdet.registry import MODELS
from ovdet.structures import Flow, InputError, Text


@MODELS.register_module()
class DetproPrompts(nn.Module):
    """Cross entropy of regions on objects, and doubt on all classes where a region is background.

    The K contexts learn apart: each from the objects whose overlap falls into its band and from all
    background (Eq. 10). Background learns the uniform distribution over the base classes, so that
    no class takes it in (Eq. 8). A class weighs the inverse of its frequency, background half of
    all objects together.

    Args:
        classes: Most classes of a training vocabulary, the novel ones included.
        bands: Lower ends of the K bands of overlap, ascending; the last one has no upper end.
        background: Overlap of what counts as background, from and below.
        share: Part of the background that is drawn; a tenth in the paper.
        soft: Whether background learns at all.
        scale: Inverse temperature.

    Raises:
        ValueError: If the bands do not ascend or the background is no range below them.
    """

    counts: Tensor

    def __init__(
        self,
        classes: int,
        *,
        bands: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9),
        background: tuple[float, float] = (0.1, 0.5),
        share: float = 1.0,
        soft: bool = True,
        scale: float = 100.0,
    ) -> None:
        super().__init__()
        if not bands or any(b <= a for a, b in pairwise(bands)):
            raise ValueError(f"bands must ascend, got {list(bands)}")
        low, high = background
        if not low < high <= bands[0]:
            raise ValueError(f"background must be a range below {bands[0]}, got {low} to {high}")
        self.bands = tuple(bands)
        self.background = (low, high)
        self.share = share
        self.soft = soft
        self.scale = scale
        # Regions seen of each class, in each band; background is the last column.
        self.register_buffer("counts", torch.zeros(len(bands), classes + 1, dtype=torch.int64))

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Compare regions with each context's classes.

        Args:
            flow: Reads ``regions`` with ``labels`` (C for background), ``scores`` (the overlap) and
                ``embeddings`` [R, D]; and ``text.tokens`` [C, K, D].

        Returns:
            ``loss_prompts``, a sum over the contexts of weighted means; 0, still on the graph, when
            R is 0.

        Raises:
            InputError: If the text has not one context a band, or more classes than were said.
        """
        each = self._contexts(flow.text)
        classes = len(each)
        regions = flow.regions
        if regions.labels is None or regions.scores is None or regions.embeddings is None:
            return {"loss_prompts": each.sum() * 0}
        rows, band = self._chosen(regions.scores, regions.labels < classes)
        labels = regions.labels[rows]
        novel = torch.tensor(flow.vocabulary.novel_mask, device=each.device)
        weights = self._weights(band, labels, novel)
        with torch.autocast(each.device.type, enabled=False):
            logits = torch.stack(  # [K, R, C]: scores up to 100 need all bits
                [
                    cosine_logits(regions.embeddings[rows].to(each.dtype), own, self.scale)
                    for own in each.unbind(dim=1)
                ]
            )
            logs = logits.masked_fill(novel, float("-inf")).log_softmax(dim=-1)
            costs = _costs(logs, labels, ~novel)
            per_context = (weights * costs).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return {"loss_prompts": per_context.sum()}

    def _contexts(self, text: Text | None) -> Tensor:
        if text is None or text.tokens is None or text.tokens.shape[1] != len(self.bands):
            found = 0 if text is None or text.tokens is None else text.tokens.shape[1]
            raise InputError(
                f"the text must have one context a band: {len(self.bands)}, got {found}"
            )
        if len(text.tokens) >= self.counts.shape[1]:
            raise InputError(
                f"the vocabulary must have at most {self.counts.shape[1] - 1} classes, "
                f"got {len(text.tokens)}"
            )
        return text.tokens

    def _chosen(self, overlaps: Tensor, on_object: Tensor) -> tuple[Tensor, Tensor]:
        """Return the regions to learn from and their band, -1 for background."""
        ends = torch.tensor(self.bands, device=overlaps.device, dtype=overlaps.dtype)
        band = torch.bucketize(overlaps, ends, right=True) - 1
        low, high = self.background
        drawn = torch.rand_like(overlaps) < self.share
        empty = ~on_object & (overlaps >= low) & (overlaps < high) & drawn & self.soft
        kept = (on_object & (band >= 0)) | empty
        return kept.nonzero().squeeze(1), torch.where(empty, -1, band)[kept]

    def _weights(self, band: Tensor, labels: Tensor, novel: Tensor) -> Tensor:
        """Return [K, R]: 0 where a context does not learn from a region."""
        own = torch.arange(len(self.bands), device=band.device)[:, None] == band  # [K, R]
        seen = own | (band == -1)
        place = torch.where(band == -1, self.counts.shape[1] - 1, labels)
        now = torch.zeros_like(self.counts).index_add(1, place, seen.long())
        if self.training:
            self.counts += now
        counts = (self.counts if self.training else now).to(torch.float32)
        weight = 1 / (counts * int((~novel).sum())).clamp(min=1)
        weight[:, -1] = 1 / (2 * counts[:, -1]).clamp(min=1)
        return weight[:, place] * seen


def _costs(logs: Tensor, labels: Tensor, base: Tensor) -> Tensor:
    """Return what each region costs under each context, [K, R].

    Args:
        logs: [K, R, C], log probabilities, minus infinity for classes that are not ``base``.
        labels: [R], C for background.
        base: [C], bool.
    """
    targets = F.one_hot(labels, len(base) + 1)[:, :-1].to(logs.dtype)  # [R, C], 0 for background
    uniform = base.to(logs.dtype) / base.sum()
    targets = torch.where((labels == len(base))[:, None], uniform, targets)
    return -(targets * logs.masked_fill(~base, 0)).sum(dim=-1)

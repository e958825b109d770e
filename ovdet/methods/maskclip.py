"""MaskCLIP+: a segmentor learns what CLIP's own patches say, then what it says itself.

Zhou et al., "Extract Free Dense Labels from CLIP", ECCV 2022, https://arxiv.org/abs/2112.01071,
Sec. 3.4. MaskCLIP itself (Sec. 3.2 and 3.3) is shared parts: a readout, and refinements.

Slot: the labels of the pixel segmentor, (labels, flow) to labels. Shapes: B images, C classes,
H W px, h w places.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import IGNORED, Flow, InputError
from ovdet.vision import Frozen

_PIXELS = ("novel", "unlabelled", "all")


@MODELS.register_module()
class MaskclipLabels(nn.Module):
    """Gives pixels without a label the best of the allowed classes.

    Which pixels, and which classes are allowed:

    - ``novel``: those that the maps give a novel class, which is taken away first; only novel
      classes (transductive zero-shot: the names are known, and where none of the seen ones is);
    - ``unlabelled``: those of the pictures that have no label; only novel classes;
    - ``all``: every pixel, whatever its label; every class (annotation-free).

    Args:
        trunk: The teacher's, [B, 3, H, W] to levels. Frozen here, as all of the teacher.
        head: The teacher's, (levels, text, images) to logits [B, C, h, w].
        refinements: The teacher's, each (logits, images, levels) to logits.
        pixels: Which pixels get a label, as above.
        guided: Steps that the teacher labels; behind them the student's own logits do. None: the
            teacher labels all.

    Attributes:
        step: Batches labelled so far while training.

    Raises:
        ValueError: If ``pixels`` is none of the three, or ``guided`` is below 0.
    """

    step: Tensor

    def __init__(
        self,
        *,
        trunk: nn.Module,
        head: nn.Module,
        refinements: Sequence[nn.Module] = (),
        pixels: str = "novel",
        guided: int | None = None,
    ) -> None:
        super().__init__()
        if pixels not in _PIXELS:
            raise ValueError(f"pixels must be one of {_PIXELS}, got {pixels!r}")
        if guided is not None and guided < 0:
            raise ValueError(f"guided must be at least 0 steps, got {guided}")
        self.trunk, self.head = Frozen(trunk), Frozen(head)
        self.refinements = nn.ModuleList(Frozen(refine) for refine in refinements)
        self.pixels = pixels
        self.guided = guided
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, labels: Tensor, flow: Flow) -> Tensor:
        """Return labels [B, H, W], int64, ``IGNORED`` where a pixel teaches nothing.

        Args:
            labels: [B, H, W], indices into ``flow.vocabulary``.
            flow: Reads images, samples, text, vocabulary and ``pixels``, the student's logits.

        Raises:
            InputError: If no class is allowed, or a label of a novel class would reach the student.
        """
        novel = torch.tensor(flow.vocabulary.novel_mask, device=labels.device)
        allowed = torch.ones_like(novel) if self.pixels == "all" else novel
        if not bool(allowed.any()):
            raise InputError("a class must be novel to be given to pixels, none is")
        known, free = self._divided(flow, labels, novel)
        _check_leaks(known, flow.vocabulary.names, novel)
        by_teacher = self.guided is None or int(self.step) < self.guided
        if self.training:
            self.step += 1
        logits = self._teach(flow) if by_teacher else _known(flow.pixels)
        return torch.where(free, _best(logits, allowed, labels.shape[-2:]), known)

    def _teach(self, flow: Flow) -> Tensor:
        levels = self.trunk(flow.images)
        logits: Tensor = self.head(levels, flow.text, flow.images)
        for refine in self.refinements:
            logits = refine(logits, flow.images, levels)
        return logits

    def _divided(self, flow: Flow, labels: Tensor, novel: Tensor) -> tuple[Tensor, Tensor]:
        """Return the labels that stay, and which pixels [B, H, W] get one."""
        if self.pixels == "novel":
            free = F.pad(novel, (0, 1))[labels]  # the last entry is IGNORED's
            return labels.masked_fill(free, IGNORED), free
        free = torch.zeros_like(labels, dtype=torch.bool)
        for row, sample in zip(free, flow.samples, strict=True):  # not the padding
            row[: sample.image.shape[1], : sample.image.shape[2]] = True
        if self.pixels == "all":
            return torch.full_like(labels, IGNORED), free
        return labels, free & (labels == IGNORED)


def _best(logits: Tensor, allowed: Tensor, size: torch.Size) -> Tensor:
    """Return [B, H, W]: the allowed class whose logits [B, C, h, w] are largest once stretched."""
    index = allowed.nonzero().squeeze(1)
    part = logits[:, index].float()
    wide = F.interpolate(part, tuple(size), mode="bilinear", align_corners=False)
    return index[wide.argmax(dim=1)]


def _check_leaks(known: Tensor, names: Sequence[str], novel: Tensor) -> None:
    leaked: Any = F.pad(novel, (0, 1))[known]
    if bool(leaked.any()):
        label = int(known[leaked][0])
        raise InputError(f"labels must hold no unseen class in training, got {names[label]!r}")


def _known(pixels: Tensor | None) -> Tensor:
    if pixels is None:
        raise RuntimeError("the head has not run: it comes before the labels")
    return pixels.detach()

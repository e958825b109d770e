"""DPT: maps of one size made a pyramid again, and merged from coarse to fine.

Ranftl et al., "Vision Transformers for Dense Prediction", ICCV 2021,
https://arxiv.org/abs/2103.13413, Sec. 3; the fusion is RefineNet's (Lin 2017). Shapes: B images,
H W px, h w places, c channels, d channels behind the fusion, L levels.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS


@MODELS.register_module()
class Reassemble(nn.Module):
    """Taps of a ViT to a pyramid; each place has read the class token ("project" in the paper).

    Args:
        trunk: A ``VitTaps``: images to L maps [B, c, h, w], then L class tokens [B, c, 1, 1]; has
            ``widths`` and ``stride``.
        widths: Channels of the L levels.
        factors: Size of each level relative to the trunk's grid: a whole number, or one over a
            whole number.

    Attributes:
        widths: Channels of the levels.
        stride: The trunk's, px.

    Raises:
        ValueError: If there is not one width and one factor a tap, or a factor is neither a whole
            number nor one over a whole number.
    """

    def __init__(self, trunk: nn.Module, widths: Sequence[int], factors: Sequence[float]) -> None:
        super().__init__()
        inner: Any = trunk
        taps = len(inner.widths)
        if not len(widths) == len(factors) == taps:
            raise ValueError(
                f"widths and factors must have one entry a tap, {taps}, got {len(widths)} and "
                f"{len(factors)}"
            )
        self.trunk = trunk
        self.widths = tuple(widths)
        self.stride: int = inner.stride
        self.readouts = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * c, c), nn.GELU()) for c in inner.widths
        )
        pairs = zip(inner.widths, widths, strict=True)
        self.projects = nn.ModuleList(nn.Conv2d(c, width, 1) for c, width in pairs)
        self.resizes = nn.ModuleList(
            _resize(width, factor) for width, factor in zip(widths, factors, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the L levels, in the taps' order.

        Args:
            images: [B, 3, H, W], RGB in [0, 1].
        """
        seen = self.trunk(images)
        maps, firsts = seen[: len(self.widths)], seen[len(self.widths) :]
        parts = zip(self.readouts, self.projects, self.resizes, strict=True)
        return [
            resize(project(_read(readout, places, first)))
            for places, first, (readout, project, resize) in zip(maps, firsts, parts, strict=True)
        ]


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions with norms, each behind a ReLU, and a shortcut.

    Args:
        width: d.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, d, h, w] to the same shape."""
        y = self.first_norm(self.first(x.relu()))
        y = self.second_norm(self.second(y.relu()))
        after: Tensor = x + y
        return after


class FusionStep(nn.Module):
    """What is known so far and one finer level, merged and doubled in size.

    Args:
        width: d.
        alone: Whether it is the first step, with nothing known before.
    """

    def __init__(self, width: int, *, alone: bool) -> None:
        super().__init__()
        self.lateral = None if alone else ResidualUnit(width)
        self.merged = ResidualUnit(width)
        self.project = nn.Conv2d(width, width, 1)

    def forward(self, level: Tensor, before: Tensor | None) -> Tensor:
        """Map a level [B, d, h, w], and what came before, to [B, d, 2h, 2w].

        Where ``before`` has another size, its size counts: 2h and 2w are twice that.
        """
        x = level
        if before is not None and self.lateral is not None:
            if level.shape != before.shape:
                size = before.shape[-2:]
                level = F.interpolate(level, size, mode="bilinear", align_corners=False)
            x = before + self.lateral(level)
        x = self.merged(x)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        projected: Tensor = self.project(x)
        return projected


@MODELS.register_module()
class DptTrunk(nn.Module):
    """A pyramid merged into one map of twice its finest level's size.

    Args:
        trunk: Images to L levels, finest first, each about twice as large as the next: a
            ``Reassemble``, or a ResNet. Has ``widths``.
        width: d.

    Attributes:
        widths: d alone.
        stride: The trunk's, px; 32 where it has none.
    """

    def __init__(self, trunk: nn.Module, *, width: int = 256) -> None:
        super().__init__()
        inner: Any = trunk
        self.trunk = trunk
        self.widths = (width,)
        self.stride: int = getattr(inner, "stride", 32)
        self.laterals = nn.ModuleList(
            nn.Conv2d(c, width, 3, 1, 1, bias=False) for c in inner.widths
        )
        steps = range(len(inner.widths))
        self.steps = nn.ModuleList(FusionStep(width, alone=step == 0) for step in steps)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return one level [B, d, 2h, 2w] for a finest level of h x w places.

        Args:
            images: [B, 3, H, W], RGB in [0, 1].
        """
        levels = [lay(x) for lay, x in zip(self.laterals, self.trunk(images), strict=True)]
        merged: Tensor | None = None
        for step, level in zip(self.steps, reversed(levels), strict=True):
            merged = step(level, merged)
        return [] if merged is None else [merged]


def _read(readout: nn.Module, places: Tensor, first: Tensor) -> Tensor:
    """Return [B, c, h, w]: each place with what the class token [B, c, 1, 1] says."""
    pairs = torch.cat([places, first.expand_as(places)], dim=1)  # [B, 2c, h, w]
    merged: Tensor = readout(pairs.movedim(1, -1)).movedim(-1, 1)
    return merged


def _resize(width: int, factor: float) -> nn.Module:
    whole = round(factor if factor >= 1 else 1 / factor)
    if abs((whole if factor >= 1 else 1 / whole) - factor) > 1e-6:
        raise ValueError(f"factors must be whole numbers or one over such, got {factor}")
    if factor > 1:
        return nn.ConvTranspose2d(width, width, whole, whole)
    return nn.Identity() if whole == 1 else nn.Conv2d(width, width, 3, whole, 1)

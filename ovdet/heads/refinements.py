"""What makes logits of places better without training, between a head and the labels.

Each is called (logits [B, C, h, w], images [B, 3, H, W], levels) and returns logits. PromptDenoise
and KeySmooth: Zhou et al., "Extract Free Dense Labels from CLIP", ECCV 2022,
https://arxiv.org/abs/2112.01071, Sec. 3.3. Pamr: Araslanov and Roth, "Single-Stage Semantic
Segmentation from Image Labels", CVPR 2020, https://arxiv.org/abs/2005.08104, Sec. 4.2.

Shapes: B images, C classes, H W px, h w places, P = h * w, c channels, N neighbours of a px.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS

_GONE = -1e4  # finite: a map of minus infinity cannot be stretched
_AROUND = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


@MODELS.register_module()
class PromptDenoise(nn.Module):
    """Drops the classes that no place of a picture is sure of.

    Args:
        threshold: Of the softmax over the classes, in [0, 1]; a class whose largest probability
            lies below is dropped. The class that is surest somewhere always stays.

    Raises:
        ValueError: If ``threshold`` lies outside [0, 1].
    """

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        _check_probability(threshold)
        self.threshold = threshold

    def forward(self, logits: Tensor, images: Tensor, levels: list[Tensor]) -> Tensor:  # noqa: ARG002
        """Return the logits, -10,000 everywhere for a class that is dropped."""
        surest = logits.softmax(dim=1).amax(dim=(2, 3))  # [B, C]
        best = surest.amax(dim=1, keepdim=True)
        dropped = (surest < self.threshold) & (surest < best)
        return logits.masked_fill(dropped[:, :, None, None], _GONE)


@MODELS.register_module()
class KeySmooth(nn.Module):
    """Gives each unsure place what the places with similar keys think.

    All pairs of places are compared, so pictures of many places want windows.

    Args:
        threshold: Places whose largest probability lies below take part, in [0, 1]; at 1 all but
            the entirely sure.
        level: Which of the trunk's levels holds the keys, of the logits' grid.

    Raises:
        ValueError: If ``threshold`` lies outside [0, 1].
    """

    def __init__(self, threshold: float = 1.0, *, level: int = -2) -> None:
        super().__init__()
        _check_probability(threshold)
        self.threshold = threshold
        self.level = level

    def forward(self, logits: Tensor, images: Tensor, levels: list[Tensor]) -> Tensor:  # noqa: ARG002
        """Return the logarithms of the smoothed probabilities, at least float32.

        Raises:
            ValueError: If keys and logits are not of one grid.
        """
        keys = levels[self.level]
        if keys.shape[-2:] != logits.shape[-2:]:
            raise ValueError(
                f"keys must be of the logits' grid {tuple(logits.shape[-2:])}, "
                f"got {tuple(keys.shape[-2:])}"
            )
        wide = torch.promote_types(logits.dtype, torch.float32)
        sure = logits.to(wide).softmax(dim=1)
        keys = F.normalize(keys.to(wide).flatten(2), dim=1, eps=1e-6)  # over the channels
        alike = keys.mT @ keys  # [B, P, P], cosines
        smooth = (sure.flatten(2) @ alike).view_as(sure)
        # Unlike places count against a class: what is not positive has no logarithm.
        smooth = smooth.clamp(min=1e-12)
        smooth = smooth / smooth.sum(dim=1, keepdim=True)
        unsure = sure.amax(dim=1, keepdim=True) < self.threshold
        return torch.where(unsure, smooth, sure).clamp(min=1e-12).log()


@MODELS.register_module()
class Pamr(nn.Module):
    """Lets logits flow between neighbouring px of similar colours.

    Args:
        steps: How often each px takes the mean of its neighbours, weighted by likeness.
        dilations: Distances of the eight neighbours, cells of the grid.
        stride: Side of a cell, px: logits are stretched to a grid of the picture over this. All
            maps are held at that grid.

    Raises:
        ValueError: If ``steps`` or ``stride`` is below 1, or there is no dilation.
    """

    def __init__(
        self, steps: int = 10, dilations: Sequence[int] = (8, 16), *, stride: int = 1
    ) -> None:
        super().__init__()
        if steps < 1 or stride < 1 or not dilations:
            raise ValueError(
                "must be steps and stride >= 1 and some dilations, got "
                f"{steps}, {stride}, {tuple(dilations)}"
            )
        self.steps = steps
        self.dilations = tuple(dilations)
        self.stride = stride

    def forward(self, logits: Tensor, images: Tensor, levels: list[Tensor]) -> Tensor:  # noqa: ARG002
        """Return logits [B, C, H / stride, W / stride]."""
        size = [max(side // self.stride, 1) for side in images.shape[-2:]]
        colours = F.interpolate(images, size, mode="area")
        logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        weights = self._likeness(colours).to(logits)
        for _ in range(self.steps):
            # One neighbour at a time: all together would be N times the logits.
            moved = self._neighbours(logits)
            logits = sum((w * m for w, m in zip(weights, moved, strict=True)), start=logits * 0)
        return logits

    def _likeness(self, colours: Tensor) -> Tensor:
        """Return each neighbour's weight [N, B, 1, h, w], which sum to 1 over N."""
        around = torch.stack(list(self._neighbours(colours)))  # [N, B, 3, h, w]
        with_itself = torch.cat([around, colours.expand(len(self.dilations), *colours.shape)])
        spread = with_itself.std(dim=0)
        unlike = (around - colours).abs() / (1e-8 + 0.1 * spread)
        return (-unlike.mean(dim=2, keepdim=True)).softmax(dim=0)

    def _neighbours(self, maps: Tensor) -> list[Tensor]:
        """Return [B, K, h, w] as each neighbour sees it; the border is repeated outwards."""
        height, width = maps.shape[-2:]
        moved = []
        for d in self.dilations:
            wide = F.pad(maps, [d] * 4, mode="replicate")
            for y, x in _AROUND:
                top, left = d + y * d, d + x * d
                moved.append(wide[..., top : top + height, left : left + width])
        return moved


def _check_probability(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be 0 to 1, a probability, got {threshold}")

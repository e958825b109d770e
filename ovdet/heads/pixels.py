"""Heads of a map: each place of the features against text.

Shapes: B images, C classes, D embedding width, c channels, h w places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Text


@MODELS.register_module()
class CosinePixelHead(nn.Module):
    """Scaled cosine of each place of one level with each class.

    Cosines are taken in full precision: their scale multiplies the rounding of a half one.

    Args:
        scale: Inverse temperature.
        level: Which of the trunk's levels is read, counted as a list's; the last by default.
        project: c and D, where a 1x1 convolution maps the level into the text's space; None where
            the level lies there already.
        unit: Whether a place's vector is scaled to length 1 first; MaskCLIP+'s student is not.

    Raises:
        ValueError: If ``scale`` is not positive.
    """

    def __init__(
        self,
        *,
        scale: float = 100.0,
        level: int = -1,
        project: tuple[int, int] | None = None,
        unit: bool = True,
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        self.scale = scale
        self.level = level
        self.unit = unit
        self.project: nn.Module = nn.Identity() if project is None else nn.Conv2d(*project, 1)

    def forward(self, levels: list[Tensor], text: Text, images: Tensor) -> Tensor:  # noqa: ARG002
        """Return logits [B, C, h, w], at least float32, of the level's own grid."""
        places = self.project(levels[self.level])
        wide = torch.promote_types(places.dtype, torch.float32)
        with torch.autocast(places.device.type, enabled=False):
            places, classes = places.to(wide), text.classes.to(wide)
            if self.unit:
                places = F.normalize(places, dim=1, eps=1e-6)
            return self.scale * torch.einsum("bdhw,cd->bchw", places, classes)

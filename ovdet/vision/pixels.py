"""What encoders subtract from a picture and divide it by; each owns its own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@MODELS.register_module()
class PixelNorm(nn.Module):
    """Centres and scales the colours; adds no key to a state dict.

    Args:
        mean: Of red, green and blue, in [0, 1].
        std: Their standard deviations.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W], RGB in [0, 1], to about zero mean and unit deviation."""
        return (images - self.mean) / self.std

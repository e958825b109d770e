"""The region stage of a mask segmentor: queries that propose masks without a class."""

from typing import Any

from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import MaskQueries


@MODELS.register_module()
class MaskProposals(nn.Module):
    """Levels to pixels, and queries to masks among them.

    Args:
        pixels: Levels, finest first, to ``MaskFeatures``.
        decoder: ``MaskFeatures`` to MaskQueries a layer.
    """

    pixels: Any
    decoder: Any

    def __init__(self, pixels: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.pixels = pixels
        self.decoder = decoder

    def forward(self, levels: list[Tensor]) -> list[MaskQueries]:
        """Return what the decoder's layers say of levels [B, c, h, w], the last one last."""
        said: list[MaskQueries] = self.decoder(self.pixels(levels))
        return said

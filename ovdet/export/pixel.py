"""The pixel segmentor as a graph: each name a map, the best name of each pixel.

Shapes: B images, C classes, D width, H W px, h w places.
"""

from typing import Any

from torch import Tensor

from ovdet.export.graph import Graph
from ovdet.segmentors import PixelSegmentor
from ovdet.segmentors.answers import PixelAnswers
from ovdet.segmentors.pixel import stretched
from ovdet.segmentors.views import PixelViews
from ovdet.structures import InputError, Text


class PixelGraph(Graph):
    """What ``PixelSegmentor.segment`` does for a picture looked at once.

    Args:
        segmentor: Its parts are shared, not copied.

    Raises:
        InputError: If it looks at a picture several times, gets its labels otherwise than as the
            best name, or is asked by pictures.
    """

    inputs = ("images", "text")
    outputs = ("labels", "logits")

    def __init__(self, segmentor: PixelSegmentor) -> None:
        super().__init__()
        settings = segmentor.settings
        if settings.views != PixelViews():
            raise InputError("it looks at a picture in windows, at scales or mirrored")
        if settings.answers != PixelAnswers():
            raise InputError("its answers know more than the best name: see PixelAnswers")
        if settings.examples is not None:
            raise InputError("it is asked by example pictures, not by names")
        self.trunk: Any = segmentor.trunk
        self.head: Any = segmentor.head
        self.refinements: Any = segmentor.refinements
        self.stride = getattr(segmentor.trunk, "stride", Graph.stride)

    def forward(self, images: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Name every pixel.

        Args:
            images: [B, 3, H, W], RGB in [0, 1], stretched to multiples of the stride.
            text: [C, D], unit norm.

        Returns:
            Labels [B, H, W] and logits [B, C, h, w].
        """
        levels = self.trunk(images)
        logits = self.head(levels, Text(classes=text), images)
        for refine in self.refinements:
            logits = refine(logits, images, levels)
        return stretched(logits, images.shape[-2:]).argmax(dim=1), logits

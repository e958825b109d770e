"""The dense detector as a graph: every place answers, the best come back.

Shapes: B images, P places, C classes, D width, N boxes found, H W px.
"""

from typing import Any

import torch
from torch import Tensor

from ovdet.detectors import DenseDetector
from ovdet.export.answers import OUTPUTS, select
from ovdet.export.fixed import NOTHING, area, within
from ovdet.export.graph import Graph
from ovdet.structures import InputError, Text


class DenseGraph(Graph):
    """What ``DenseDetector.find`` does.

    Args:
        detector: Its parts are shared, not copied.

    Raises:
        InputError: If it reads words or example pictures, which no embedding replaces.
    """

    outputs = OUTPUTS

    def __init__(self, detector: DenseDetector) -> None:
        super().__init__()
        if detector.fusion is not None:
            raise InputError("its fusion reads the words of the names, not an embedding of each")
        if detector.examples is not None:
            raise InputError("it is asked by example pictures, not by names")
        self.trunk: Any = detector.trunk
        self.head: Any = detector.head
        self.settings = detector.settings
        self.stride = getattr(detector.trunk, "stride", Graph.stride)

    def forward(
        self, images: Tensor, sizes: Tensor, text: Tensor, threshold: Tensor
    ) -> tuple[Tensor, ...]:
        """Find and name objects.

        Args:
            images: [B, 3, H, W], RGB in [0, 1], black to the right of a picture and below.
            sizes: [B, 2], int64, (height, width) of each picture, px.
            text: [C, D], unit norm.
            threshold: A scalar, the score that all are above.

        Returns:
            Boxes [N, 4], scores [N], labels [N] and the picture of each [N].
        """
        asked = Text(classes=text)
        prediction = self.head(self.trunk(images), asked, images)
        scores = self.head.scores(prediction.logits, asked)
        if self.settings.use_quality and prediction.quality is not None:
            scores = (scores * prediction.quality.sigmoid()[..., None]).sqrt()
        boxes = within(prediction.boxes, sizes).float()
        taken = (area(boxes) > 0)[..., None] & (scores > threshold)
        ranked = torch.where(taken, scores, NOTHING)
        return tuple(select(boxes, ranked, self.settings.selection))

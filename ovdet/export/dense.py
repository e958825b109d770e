"""The dense detector as a graph: every place answers, the best come back.

Shapes: B images, P places, C classes, D width, N boxes found, H W px.
"""

from typing import Any

import torch
from torch import Tensor

from ovdet.detectors import DenseDetector
from ovdet.export.answers import OUTPUTS, select
from ovdet.export.fixed import NOTHING, area, pad
from ovdet.export.graph import Graph
from ovdet.ops import clip_boxes
from ovdet.structures import InputError, Text


class DenseGraph(Graph):
    """What ``DenseDetector.find`` does for pictures of one size.

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

    def forward(self, images: Tensor, text: Tensor, threshold: Tensor) -> tuple[Tensor, ...]:
        """Find and name objects.

        Args:
            images: [B, 3, H, W], RGB in [0, 1].
            text: [C, D], unit norm.
            threshold: A scalar, the least score.

        Returns:
            Boxes [N, 4], scores [N], labels [N] and the image of each [N].
        """
        padded, asked = pad(images, self.stride), Text(classes=text)
        prediction = self.head(self.trunk(padded), asked, padded)
        scores = self.head.scores(prediction.logits, asked)
        if self.settings.use_quality and prediction.quality is not None:
            scores = (scores * prediction.quality.sigmoid()[..., None]).sqrt()
        boxes = clip_boxes(prediction.boxes, *images.shape[-2:]).float()
        taken = (area(boxes) > 0)[..., None] & (scores > threshold)
        ranked = torch.where(taken, scores, NOTHING)
        return tuple(select(boxes, ranked, self.settings.selection))

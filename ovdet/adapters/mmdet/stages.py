"""What an opened detector of two stages tells objectives: its proposals, and regions embedded.

Shapes: B images, R regions, D embedding width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.mmdet.classifier import TextClassifier
from ovdet.structures import Flow, InputError, Regions, Sample, Vocabulary, batch_images


class Stages:
    """Reads a detector of mmdet with region proposals and box heads against text.

    Args:
        detector: Opened.
        text: Vocabulary to Text.

    Raises:
        InputError: If it has no proposals, or no box head against text.
    """

    def __init__(self, detector: Any, text: Any) -> None:
        self._detector = detector
        self._text = text
        roi_head = getattr(detector, "roi_head", None)
        self._heads = _several(getattr(roi_head, "bbox_head", None))
        self._pools = _several(getattr(roi_head, "bbox_roi_extractor", None))
        layers = [getattr(head, "fc_cls", None) for head in self._heads]
        known = layers and all(isinstance(layer, TextClassifier) for layer in layers)
        if not known or getattr(detector, "rpn_head", None) is None:
            raise InputError(
                "objectives need a detector of two stages that is opened (Faster, Mask or Cascade "
                f"R-CNN), got a {type(detector).__name__}"
            )

    @contextmanager
    def watched(self, samples: list[Sample], vocabulary: Vocabulary) -> Iterator[Flow]:
        """Give a flow that is filled while the detector computes its losses inside.

        Args:
            samples: B samples, images as the detector is given them.
            vocabulary: C classes.
        """
        roi_head: Any = self._detector.roi_head
        inside = roi_head.loss
        device = next(self._detector.parameters()).device
        images, text = batch_images(samples, stride=32).to(device), self._text(vocabulary)
        flow = Flow(images, samples, vocabulary, text=text)

        def watch(levels: Sequence[Tensor], proposals: Sequence[Any], records: Any) -> Any:
            flow.features = list(levels)
            flow.proposals = Regions.gather([_regions(one) for one in proposals])
            return inside(levels, proposals, records)

        flow.embed = lambda regions, branch: self._embed(flow.features, regions, branch)
        flow.classify = lambda embeddings, branch: self._heads[branch].fc_cls.compare(
            embeddings, text.classes
        )
        flow.encode_words = getattr(self._text, "encode_words", None)
        roi_head.loss = watch
        try:
            yield flow
        finally:
            del roi_head.loss

    def _embed(self, levels: list[Tensor], regions: Regions, branch: int) -> Tensor:
        """Return [R, D], unit norm: what the class layer of a box head compares with text."""
        head, pool = self._heads[branch], self._pools[branch]
        owner = regions.owner[:, None].to(regions.boxes)
        cells = pool(levels[: pool.num_inputs], torch.cat([owner, regions.boxes], dim=1))
        if self._detector.roi_head.with_shared_head:
            cells = self._detector.roi_head.shared_head(cells)
        hidden: list[Tensor] = []
        hook = head.fc_cls.register_forward_pre_hook(lambda _, given: hidden.append(given[0]))
        try:
            head(cells)
        finally:
            hook.remove()
        embeddings: Tensor = head.fc_cls.embed(hidden[0])
        return embeddings


def _several(part: Any) -> list[Any]:
    """Return the parts of a cascade, or the only one; none where there is none."""
    if part is None:
        return []
    return list(part) if isinstance(part, nn.ModuleList) else [part]


def _regions(proposals: Any) -> Regions:
    boxes = proposals.bboxes.detach()
    owner = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    return Regions(boxes, owner, proposals.scores.detach())

"""The two-stage detector as a graph: its own parts, its choices at fixed sizes.

Shapes: B images, P proposals an image, R of the batch, C classes, D width, N boxes found, H W px.
"""

from typing import Any

import torch
from torch import Tensor

from ovdet.detectors import TwoStageDetector
from ovdet.export.answers import OUTPUTS, select
from ovdet.export.fixed import NOTHING, apart, area, best, pick, within
from ovdet.export.graph import Graph
from ovdet.ops import clip_boxes
from ovdet.structures import Regions

_SYM_MAX: Any = torch.sym_max  # has no types


class TwoStageGraph(Graph):
    """What ``TwoStageDetector.predict`` does for embedded names.

    Args:
        detector: Its parts are shared, not copied.
    """

    def __init__(self, detector: TwoStageDetector) -> None:
        super().__init__()
        self.trunk: Any = detector.trunk
        self.proposals: Any = detector.proposals
        self.branches: Any = detector.branches
        self.boxes: Any = detector.boxes
        self.masks: Any = detector.masks
        self.scores: Any = detector.scores
        self.selection = detector.selection
        self.outputs = OUTPUTS if self.masks is None else (*OUTPUTS, "masks")

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
            Boxes [N, 4], scores [N], labels [N], the picture of each [N]; and masks [N, h, w], in
            [0, 1], over each box where the detector has a mask head.
        """
        levels, size = self.trunk(images), _SYM_MAX(*images.shape[-2:])
        regions, real = self._propose(levels, images)
        hidden = self.branches[0].embedder.hidden(levels, regions, size)
        placed: Any = self.boxes(hidden, regions, images).boxes
        moved = placed.unflatten(0, real.shape)  # [B, P, 4]
        named: Any = self._named(levels, regions, hidden, text, size)
        scores = named.unflatten(0, real.shape)
        real = real & (area(within(moved, sizes)) > 0)
        taken = real[..., None] & (scores > threshold)
        found = select(moved, torch.where(taken, scores, NOTHING), self.selection)
        answer = found.within(sizes)
        if self.masks is None:
            return tuple(answer)
        masks = self.masks(levels, found.regions(), size).sigmoid()
        return (*answer, masks)

    def _propose(self, levels: list[Tensor], images: Tensor) -> tuple[Regions, Tensor]:
        """Return proposals, best first within an image, and which are real, [B, P]."""
        rpn, used = self.proposals.rpn, levels[: self.proposals.levels]
        first, last = rpn.pre_nms_top_n(), rpn.post_nms_top_n()
        boxes, scores = [], []
        for index, (logits, deltas) in enumerate(zip(*rpn.head(used), strict=True)):
            kept, place = best(logits.permute(0, 2, 3, 1).flatten(1), first)
            anchors = self._anchors(index, logits, images)
            steps = deltas.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
            chosen = anchors[place].flatten(0, 1)
            moved = rpn.box_coder.decode_single(pick(steps, place).flatten(0, 1), chosen)
            clipped: Any = clip_boxes(moved, *images.shape[-2:])
            boxes.append(clipped.unflatten(0, place.shape))
            scores.append(kept)
        chances = torch.stack(scores, dim=1).sigmoid()  # [B, L, K]; 0 for what fills up
        places = torch.stack(boxes, dim=1)
        sides = places[..., 2:] - places[..., :2]
        real = (chances > 0) & (sides >= rpn.min_size).all(dim=-1) & (chances >= rpn.score_thresh)
        stay = apart(places.flatten(0, 1), None, real.flatten(0, 1), rpn.nms_thresh)
        ranked = torch.where(stay.view_as(real), chances, NOTHING).flatten(1)
        kept, place = best(ranked, last)
        chosen = pick(places.flatten(1, 2), place)
        owner = torch.arange(images.shape[0], device=images.device)[:, None].expand_as(place)
        return Regions(chosen.flatten(0, 1), owner.flatten()), kept > NOTHING

    def _anchors(self, level: int, logits: Tensor, images: Tensor) -> Tensor:
        """Return the anchors of a level [B, A, h, w], [h * w * A, 4], as torchvision lays them."""
        sides = self.proposals.rpn.anchor_generator.cell_anchors[level].to(images.device)
        (height, width), (h, w) = images.shape[-2:], logits.shape[-2:]
        x = torch.arange(w, device=images.device) * (width // w)
        y = torch.arange(h, device=images.device) * (height // h)
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        corner = torch.stack([columns, rows, columns, rows], dim=-1).reshape(-1, 1, 4)
        anchors: Tensor = (corner + sides).flatten(0, 1)
        return anchors

    def _named(
        self, levels: list[Tensor], regions: Regions, hidden: Tensor, text: Tensor, size: int
    ) -> Tensor:
        """Return the scores [R, C] of the regions."""
        embeddings = [self.branches[0].embedder.embed(hidden)]
        embeddings += [branch.embedder(levels, regions, size) for branch in self.branches[1:]]
        classifiers = [branch.classifier for branch in self.branches]
        parts = [
            classifier.probabilities(classifier(one, text))
            for classifier, one in zip(classifiers, embeddings, strict=True)
        ]
        novel = torch.zeros(text.shape[0], dtype=torch.bool, device=text.device)
        scores: Tensor = self.scores(parts, novel)
        return scores

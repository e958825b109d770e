"""What keeps a model as it was while it learns: its start, asked about the same pictures."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.ops import box_iou
from ovdet.structures import Flow, Regions

_FREE = 0.3  # IoU with every labelled object below which a region is of something else


class KeepStart(nn.Module):
    """Features, and embeddings of regions without a label, are to stay those of the start.

    No name is asked about, so this holds for every vocabulary alike.

    Args:
        start: The detector before it learns, frozen; it is not stored with the model.
        regions: Most regions of a picture that are compared.
        weight: Of the embeddings; that of the features is 1.
    """

    def __init__(self, start: nn.Module, *, regions: int = 32, weight: float = 5.0) -> None:
        super().__init__()
        self._start: tuple[Any, ...] = (start,)  # in a tuple it is no part of the model
        self.regions = regions
        self.weight = weight

    def forward(self, flow: Flow) -> dict[str, Tensor]:
        """Return ``loss_keep_features``, and ``loss_keep_names`` where regions have embeddings."""
        start = self._start[0].to(flow.images.device)
        with torch.no_grad():
            before: Flow = start.begin(flow.samples, flow.vocabulary)
        pairs = zip(flow.features, before.features, strict=True)
        apart = [F.mse_loss(now, old) / old.square().mean().clamp(min=1e-6) for now, old in pairs]
        losses = {"loss_keep_features": torch.stack(apart).mean()}
        if flow.embed is None or before.embed is None or flow.proposals is None:
            return losses
        regions = self._unlabelled(flow, flow.proposals)
        with torch.no_grad():
            wanted = before.embed(regions, 0)
        likeness = (flow.embed(regions, 0) * wanted).sum(dim=1)
        losses["loss_keep_names"] = self.weight * (1 - likeness).sum() / max(len(regions), 1)
        return losses

    def _unlabelled(self, flow: Flow, proposals: Regions) -> Regions:
        """Return the best proposals of each picture that show no labelled object."""
        kept = []
        for index, sample in enumerate(flow.samples):
            own = proposals.of_image(index)
            truth = sample.truth.boxes.to(own.boxes)
            best = box_iou(own.boxes, truth).amax(dim=1) if len(truth) else own.boxes.new_zeros(1)
            kept.append(own[(best < _FREE).expand(len(own))][: self.regions])
        joined = Regions.gather(kept)
        return Regions(joined.boxes, joined.owner)

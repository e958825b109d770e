"""DensePrediction: what a dense head says about each of its places."""

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor


@dataclass
class DensePrediction:
    """P places of each of B images, with a box and an opinion on every class.

    Attributes:
        boxes: [B, P, 4], xyxy, px of the network input.
        logits: [B, P, C] against the text's classes, or [B, P, T] against its tokens; the head's
            ``scores`` says what they mean.
        places: [P, 4], xyxy, px: the anchor or grid cell each box was predicted from.
        quality: [B, P], logits of objectness or centerness; None where the head has none.
        embeddings: [B, P, D], unit norm, what is compared with the text; or None.
        shift: [B, P], added to the cosine where a head calibrates each place; or None.
        scale: [B, P], positive, multiplies the cosine where a head calibrates each place; or None.
    """

    boxes: Tensor
    logits: Tensor
    places: Tensor
    quality: Tensor | None = None
    embeddings: Tensor | None = None
    shift: Tensor | None = None
    scale: Tensor | None = None

    def of_images(self, rows: Tensor) -> "DensePrediction":
        """Return the prediction of some images of the batch, by index or bool mask."""
        picked: dict[str, Any] = {"places": self.places}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "places":
                picked[field.name] = None if value is None else value[rows]
        return DensePrediction(**picked)

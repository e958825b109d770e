"""Regions: boxes with their owners, for truth, proposals and predictions alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.structures.errors import InputError


@dataclass
class Regions:
    """R regions of a batch of images.

    Attributes:
        boxes: [R, 4], xyxy, px of the network input, x1 <= x2 and y1 <= y2.
        owner: [R], int64, the index of the image in the batch that each region lies in.
        scores: [R], in [0, 1], or None.
        labels: [R], int64, class indices, or None. A region without a class has -1.
        masks: [R, H, W], bool over the whole image, or [R, h, w], in [0, 1] over the box; or None.
        embeddings: [R, D], what is already known of each region (a teacher's view), or None.

    Raises:
        InputError: If the shapes disagree or a box is not xyxy.
    """

    boxes: Tensor
    owner: Tensor
    scores: Tensor | None = None
    labels: Tensor | None = None
    masks: Tensor | None = None
    embeddings: Tensor | None = None

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise InputError(f"boxes must be [R, 4], got {list(self.boxes.shape)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and len(value) != len(self.boxes):
                raise InputError(
                    f"{field.name} must have one entry a box, got "
                    f"{len(value)} for {len(self.boxes)}"
                )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Tensor | slice) -> "Regions":
        """Return the regions an index tensor, a bool mask or a slice picks."""
        return self._map(lambda value: value[index])

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Regions":
        picked: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            picked[field.name] = None if value is None else change(value)
        return Regions(**picked)

    def to(self, device: torch.device | str) -> "Regions":
        """Return the regions with all tensors on ``device``."""
        return self._map(lambda value: value.to(device))

    def of_image(self, index: int) -> "Regions":
        """Return the regions that lie in one image of the batch."""
        return self[self.owner == index]

    def with_(self, **changes: Tensor | None) -> "Regions":
        """Return a copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def check(self, where: str) -> None:
        """Check that every box is finite and xyxy.

        Args:
            where: The place a message shall name.

        Raises:
            InputError: If a box has a NaN or infinite side, or x1 > x2 or y1 > y2.
        """
        turned = (self.boxes[:, :2] > self.boxes[:, 2:]).any(dim=1)
        bad = turned | ~torch.isfinite(self.boxes).all(dim=1)
        if bad.any():
            first = int(bad.nonzero()[0])
            raise InputError(
                f"boxes must be xyxy with x1 <= x2, got {self.boxes[first].tolist()} "
                f"in image {int(self.owner[first])} of {where}"
            )

    @classmethod
    def empty(cls, device: torch.device | str = "cpu") -> "Regions":
        """Return no regions."""
        owner = torch.zeros(0, dtype=torch.int64, device=device)
        return cls(torch.zeros(0, 4, device=device), owner)

    @classmethod
    def gather(cls, per_image: Sequence["Regions"]) -> "Regions":
        """Join the regions of each image into those of the batch; owners become batch indices.

        A field is kept where every image that has regions has it. Masks of images of different
        sizes are padded with zeros on the right and below, as the images of a batch are.
        """
        if not per_image:
            return cls.empty()
        joined: dict[str, Tensor | None] = {}
        for field in fields(cls):
            values = [getattr(r, field.name) for r in per_image if len(r)]
            values = values or [getattr(per_image[0], field.name)]
            missing = any(value is None for value in values)
            joined[field.name] = None if missing else torch.cat(_of_one_size(values))
        lengths = torch.tensor([len(regions) for regions in per_image])
        owner = torch.arange(len(per_image)).repeat_interleave(lengths)
        joined["owner"] = owner.to(per_image[0].boxes.device)
        return cls(**joined)  # type: ignore[arg-type]


def _of_one_size(values: list[Tensor]) -> list[Tensor]:
    if values[0].ndim < 3:
        return values
    height = max(value.shape[1] for value in values)
    width = max(value.shape[2] for value in values)
    return [F.pad(v, (0, width - v.shape[2], 0, height - v.shape[1])) for v in values]

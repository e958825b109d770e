"""One picture looked at several times: in windows, at several scales, mirrored; then averaged.

Shapes: Q words, H W px, h w places.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.ops.windows import window_starts
from ovdet.registry import MODELS
from ovdet.structures import InputError

Look = Callable[[Tensor], Tensor]
"""Images [B, 3, H, W] to logits [B, Q, h, w] of a grid that covers them evenly."""

_AT_ONCE = 4  # windows that go through the trunk together


@MODELS.register_module()
@dataclass(frozen=True)
class PixelViews:
    """How often a picture is looked at; logits are averaged.

    Attributes:
        window: Side of a window, px of the network input, rounded up to the trunk's stride; None
            takes the whole picture at once. A picture that is smaller is seen whole.
        step: From one window to the next, px, rounded down to the trunk's stride; half a window
            where None. Overlaps are averaged on the grid of the features.
        scales: The picture's sizes, relative to the network input; the grid of the first counts.
        flip: Whether each view is also seen mirrored.
    """

    window: int | None = None
    step: int | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise InputError(f"window must be at least 1 px, got {self.window}")
        if self.step is not None and (self.window is None or not 1 <= self.step <= self.window):
            raise InputError(f"step must be 1 to {self.window} px, a window, got {self.step}")
        if not self.scales or any(scale <= 0 for scale in self.scales):
            raise InputError(f"scales must be positive, at least one, got {self.scales}")

    def average(self, look: Look, image: Tensor, multiple: int) -> Tensor:
        """Return the mean logits [Q, h, w] of a picture, a grid that covers it evenly.

        Args:
            look: What is asked of each view.
            image: [3, H, W]. Each view's sides are stretched to the nearest multiples, so that
                nothing is padded and the grid covers all of it.
            multiple: The trunk's stride, px.
        """
        total: Tensor | None = None
        for scale in self.scales:
            scaled = _fit(image[None], scale, multiple)
            for mirrored in (False, True) if self.flip else (False,):
                seen = self._slide(look, scaled.flip(-1) if mirrored else scaled, multiple)
                seen = seen.flip(-1) if mirrored else seen
                total = seen if total is None else total + _resized(seen, total.shape[-2:])
        return _known(total) / (len(self.scales) * (1 + self.flip))

    def _slide(self, look: Look, image: Tensor, multiple: int) -> Tensor:
        """Return the mean logits [Q, h, w] of the windows of [1, 3, H, W]."""
        sides = self._sides(image.shape[-2:], multiple)
        if sides == tuple(image.shape[-2:]):
            return look(image)[0]
        step = max(self.step or sides[0] // 2, multiple)
        rows, columns = (
            window_starts(length, side, min(step, side), multiple)
            for length, side in zip(image.shape[-2:], sides, strict=True)
        )
        places = [(top, left) for top in rows for left in columns]
        canvas = _Canvas((image.shape[-2], image.shape[-1]), sides)
        for start in range(0, len(places), _AT_ONCE):
            part = places[start : start + _AT_ONCE]
            crops = [image[0, :, y : y + sides[0], x : x + sides[1]] for y, x in part]
            for place, logits in zip(part, look(torch.stack(crops)), strict=True):
                canvas.add(logits, place)
        return canvas.mean()

    def _sides(self, size: torch.Size, multiple: int) -> tuple[int, int]:
        if self.window is None:
            return size[0], size[1]
        side = -(-self.window // multiple) * multiple
        return min(side, size[0]), min(side, size[1])


class _Canvas:
    """Sums the logits of windows on one grid.

    Args:
        size: Of the picture, (H, W).
        sides: Of a window, (height, width).
    """

    def __init__(self, size: tuple[int, int], sides: tuple[int, int]) -> None:
        self.size = size
        self.sides = sides
        self.total: Tensor | None = None
        self.count: Tensor | None = None

    def add(self, logits: Tensor, place: tuple[int, int]) -> None:
        """Add [Q, h, w] of the window that begins at (y, x), px."""
        grid = (logits.shape[-2], logits.shape[-1])
        if self.total is None or self.count is None:
            whole = [self._cells(self.size[axis], grid[axis], axis) for axis in (0, 1)]
            self.total = logits.new_zeros(len(logits), *whole)
            self.count = logits.new_zeros(*whole)
        top, left = (self._cells(place[axis], grid[axis], axis) for axis in (0, 1))
        rows, columns = slice(top, top + grid[0]), slice(left, left + grid[1])
        self.total[:, rows, columns] += logits
        self.count[rows, columns] += 1

    def mean(self) -> Tensor:
        """Return [Q, h, w], each place's mean over the windows that see it."""
        return _known(self.total) / _known(self.count)

    def _cells(self, length: int, cells: int, axis: int) -> int:
        """Return a length in px as places of the grid."""
        if length * cells % self.sides[axis]:
            raise InputError(
                f"windows must begin at places of the grid: {length} px are not a whole number of "
                f"{self.sides[axis]} / {cells} px; choose another window or step"
            )
        return length * cells // self.sides[axis]


def _known(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise RuntimeError("nothing was looked at")
    return tensor


def _fit(images: Tensor, scale: float, multiple: int) -> Tensor:
    """Resize pictures so that their sides are the multiples nearest to their scaled ones."""
    height, width = (
        max(round(side * scale / multiple), 1) * multiple for side in images.shape[-2:]
    )
    return _resized(images, (height, width))


def _resized(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Return [..., Q, h, w] bilinearly at another size."""
    if maps.shape[-2:] == tuple(size):
        return maps
    batch = maps if maps.ndim == 4 else maps[None]
    resized = F.interpolate(batch, tuple(size), mode="bilinear", align_corners=False)
    return resized if maps.ndim == 4 else resized[0]

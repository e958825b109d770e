"""Spatial blocks over score maps that treat all classes alike.

Shapes: B images, C classes, h w places.
"""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import Text

_BENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "lrelu": F.leaky_relu,
    "tanh": F.tanh,
}
_KINDS = ("depthwise", "bottleneck")


@MODELS.register_module()
class SmoothedPixelHead(nn.Module):
    """A head whose score maps go through small blocks: one 3x3 kernel, shared by all classes.

    Any number of classes may come, and in another order they come out in that order. After each
    block but the last there is an activation; a bottleneck adds the best score of any class to all
    of them before it.

    Args:
        head: (levels, text, images) to logits [B, C, h, w].
        kind: ``depthwise`` or ``bottleneck``.
        depth: Blocks, at least 1.
        bend: The activation: ``relu``, ``lrelu`` or ``tanh``.

    Raises:
        ValueError: If ``kind`` or ``bend`` is unknown, or ``depth`` is below 1.
    """

    def __init__(
        self, head: nn.Module, *, kind: str = "bottleneck", depth: int = 2, bend: str = "lrelu"
    ) -> None:
        super().__init__()
        if kind not in _KINDS or bend not in _BENDS or depth < 1:
            raise ValueError(
                f"kind must be one of {_KINDS}, bend of {tuple(_BENDS)} and depth >= 1, "
                f"got {kind!r}, {bend!r}, {depth}"
            )
        self.head: Any = head
        self.blocks = nn.ModuleList(nn.Conv2d(1, 1, 3, 1, 1) for _ in range(depth))
        self.kind = kind
        self.bend: Callable[[Tensor], Tensor] = _BENDS[bend]
        for block in self.blocks:
            nn.init.dirac_(block.weight)  # type: ignore[arg-type]
            nn.init.zeros_(block.bias)  # type: ignore[arg-type]

    def forward(self, levels: list[Tensor], text: Text, images: Tensor) -> Tensor:
        """Return smoothed logits [B, C, h, w]."""
        logits: Tensor = self.head(levels, text, images)
        for index, block in enumerate(self.blocks):
            smooth = block(logits.flatten(0, 1)[:, None]).view_as(logits)
            if index + 1 < len(self.blocks):
                best = logits.amax(dim=1, keepdim=True) if self.kind == "bottleneck" else 0.0
                smooth = self.bend(smooth + best)
            logits = smooth.float()
        return logits

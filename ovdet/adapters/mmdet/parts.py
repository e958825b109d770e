"""Parts of mmdet by name: ``type="mmdet.FPN"`` in a config of ours."""

import difflib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from ovdet.adapters.mmdet.packages import part_registry, require
from ovdet.registry import MODELS


def find(name: str) -> Callable[..., nn.Module]:
    """Return what builds a part of mmdet, with the part's own signature.

    Its options reach mmdet as they stand in the config: mmdet builds what they describe itself.

    Args:
        name: As in mmdet's registry of models, without the package: ``FPN``.

    Raises:
        InputError: If mmdet is not installed.
        LookupError: If mmdet has no such part.
    """
    require(f"mmdet.{name}")
    registry = part_registry()
    kind = registry.get(name)
    if kind is None:
        close = difflib.get_close_matches(name, registry.module_dict, n=1)
        hint = f"; did you mean 'mmdet.{close[0]}'?" if close else ""
        raise LookupError(f"unknown type 'mmdet.{name}'{hint}")

    @functools.wraps(kind, updated=())
    def construct(**options: Any) -> nn.Module:
        from mmengine.registry import DefaultScope

        with DefaultScope.overwrite_default_scope("mmdet"):
            part: nn.Module = kind(**ConfigDict(options))
        return part

    return construct


@MODELS.register_module()
class MmdetTrunk(nn.Module):
    """A backbone of mmdet, with or without a neck, in the trunk slot.

    Args:
        backbone: Normalised images to levels, such as ``mmdet.ResNet``.
        neck: Levels to levels, such as ``mmdet.FPN``; None for none.
        widths: Channels of each level that comes out.
        mean: Of R, G and B, in [0, 255], as the backbone was trained; ImageNet's.
        std: The same for the deviation.

    Raises:
        ValueError: If a number of ``std`` is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module | None = None,
        *,
        widths: Sequence[int],
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
    ) -> None:
        super().__init__()
        if min(std) <= 0:
            raise ValueError(f"std must be positive, got {list(std)}")
        self.backbone = backbone
        self.neck: nn.Module = nn.Identity() if neck is None else neck
        self.widths = tuple(widths)
        for name, values in (("mean", mean), ("std", std)):
            scaled = torch.tensor(values).view(3, 1, 1) / 255
            self.register_buffer(name, scaled, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return levels [B, c, h, w], finest first, of images [B, 3, H, W], RGB in [0, 1]."""
        return list(self.neck(self.backbone((images - self.mean) / self.std)))

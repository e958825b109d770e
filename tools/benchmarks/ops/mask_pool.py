"""The mean of features under soft masks: queries of two images on a map of stride 8."""

from collections.abc import Iterator
from typing import Any

import torch
from case import Case
from torch import Tensor

BATCH, WIDTH, HEIGHT, LENGTH = 2, 256, 100, 167  # 800 x 1333 px at stride 8


def cases(device: str) -> Iterator[Case]:
    """Yield the op for 20 and for 100 masks an image."""
    from ovdet.ops.masks import mask_pool

    for count in (20, 100):
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(BATCH, WIDTH, HEIGHT, LENGTH, generator=generator).to(device)
        masks = torch.rand(BATCH * count, HEIGHT, LENGTH, generator=generator).to(device)
        given = (features, masks)
        yield Case(
            op="mask_pool",
            shape=f"{count} masks of 100 x 167 in each of 2 images, {WIDTH} channels",
            ours=lambda given=given: mask_pool(*given),
            others={"product of each mask": lambda given=given: mask_by_mask(*given)},
            agree=agree,
            moved=sum(4 * part.numel() for part in given) + 4 * len(masks) * WIDTH,
        )


def mask_by_mask(features: Tensor, masks: Tensor) -> Tensor:
    """Pool from one product [D, h, w] a mask: all [R, D, h, w] at once are gigabytes."""
    count = len(masks) // len(features)
    means = [
        (features[row // count] * mask).sum(dim=(1, 2)) / mask.sum()
        for row, mask in enumerate(masks)
    ]
    return torch.stack(means)


def agree(ours: Any, other: Any) -> str | None:
    """Compare means, to float32's error in a sum of 17,000 numbers."""
    worst = float((ours - other).abs().max())
    return f"means differ by {worst:.1e}" if worst > 1e-4 else None

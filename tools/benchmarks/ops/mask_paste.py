"""Run lengths of pasted masks: 100 masks in 12 megapixels, as a picture of a phone has them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from case import Case
from torch import Tensor

HEIGHT, WIDTH = 3000, 4000
SIDES = {"a tenth": (0.02, 0.2), "a half": (0.3, 0.7)}  # of the picture's, from and to


def cases(device: str) -> Iterator[Case]:
    """Yield the op for masks in small and in large boxes."""
    from ovdet.ops.masks import paste_rle

    for name, sides in SIDES.items():
        masks, boxes = scene(100, sides, device)
        yield Case(
            op="mask_paste",
            shape=f"100 masks of 28 x 28 in 3000 x 4000 px, boxes about {name} of a side",
            ours=lambda masks=masks, boxes=boxes: paste_rle(masks, boxes, HEIGHT, WIDTH),
            others={
                "paste, then encode": lambda masks=masks, boxes=boxes: paste_then_encode(
                    masks, boxes
                )
            },
            agree=agree,
            moved=masks.numel() * masks.element_size(),
        )


def scene(count: int, sides: tuple[float, float], device: str) -> tuple[Tensor, Tensor]:
    """Return masks [R, 28, 28] of ragged discs and their boxes [R, 4]."""
    generator = torch.Generator().manual_seed(0)
    cells = torch.linspace(-1, 1, 28)
    noise = torch.rand(count, 28, 28, generator=generator)
    masks = (1.1 - 0.8 * (cells[:, None] ** 2 + cells**2) + 0.2 * noise).clamp(0, 1)
    size = torch.tensor([WIDTH, HEIGHT])
    low, high = sides
    extent = size * (low + (high - low) * torch.rand(count, 2, generator=generator))
    corner = (size - extent) * torch.rand(count, 2, generator=generator)
    return masks.to(device), torch.cat([corner, corner + extent], dim=1).to(device)


def paste_then_encode(masks: Tensor, boxes: Tensor) -> list[dict[str, Any]]:
    """Draw all masks into one [R, H, W], which pycocotools encodes."""
    from pycocotools import mask as coco_mask

    from ovdet.ops.masks import mask_paste

    pasted = mask_paste(masks, boxes, HEIGHT, WIDTH)
    planes = pasted.permute(1, 2, 0).cpu().numpy().view(np.uint8)
    encoded = coco_mask.encode(np.asfortranarray(planes))
    return [rle | {"counts": rle["counts"].decode("ascii")} for rle in encoded]


def agree(ours: Any, other: Any) -> str | None:
    """Compare run lengths; they must be the same."""
    differ = sum(mine != its for mine, its in zip(ours, other, strict=True))
    return f"{differ} of {len(ours)} masks differ" if differ else None

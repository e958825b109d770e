"""Instance masks in a picture of 12 megapixels, as COCO's run lengths."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from case import Case
from torch import Tensor

HEIGHT, WIDTH, SIDE, COUNT = 3000, 4000, 28, 100


def cases(device: str) -> Iterator[Case]:
    """Yield the op for smooth masks whose boxes are 64 to 1,500 px a side."""
    from ovdet.ops.masks import paste_rle

    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(COUNT, 1, 5, 5, generator=generator)
    masks = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bicubic")[:, 0].clamp(0, 1)
    side = 64 + torch.rand(COUNT, 2, generator=generator) * min(1436, HEIGHT - 64)
    start = torch.rand(COUNT, 2, generator=generator) * (torch.tensor([WIDTH, HEIGHT]) - side)
    given = masks.to(device), torch.cat([start, start + side], dim=1).to(device)
    yield Case(
        op="paste_rle",
        shape=f"{COUNT} masks of {SIDE} x {SIDE} in {WIDTH} x {HEIGHT} px, boxes of 64 to 1,500 px",
        ours=lambda: paste_rle(*given, HEIGHT, WIDTH),
        others={
            "paste as mmdet, then encode": lambda: paste_then_encode(*given),
            "mask_paste, then encode, a mask at a time": lambda: drawn_then_encoded(*given),
        },
        agree=agree,
        moved=4 * masks.numel(),
    )


def paste_then_encode(masks: Tensor, boxes: Tensor) -> list[dict[str, Any]]:
    """Sample each mask at every pixel of the picture, cut at 0.5, encode the bitmap.

    A few masks at a time: all would be gigabytes.
    """
    rows, columns = ((torch.arange(size, device=masks.device) + 0.5) for size in (HEIGHT, WIDTH))
    encoded = []
    for some, places in zip(masks.split(4), boxes.split(4), strict=True):
        across, down = (
            (points - places[:, axis, None]) / (places[:, axis + 2] - places[:, axis])[:, None] * 2
            - 1
            for axis, points in ((0, columns), (1, rows))
        )
        grid = torch.stack(torch.broadcast_tensors(across[:, None, :], down[:, :, None]), dim=-1)
        drawn = torch.nn.functional.grid_sample(some[:, None], grid, align_corners=False)[:, 0]
        encoded += encode(drawn >= 0.5)
    return encoded


def drawn_then_encoded(masks: Tensor, boxes: Tensor) -> list[dict[str, Any]]:
    """Draw each mask in the pixels of its box alone, encode the bitmap of the picture."""
    from ovdet.ops.masks import mask_paste

    encoded = []
    for mask, box in zip(masks, boxes, strict=True):
        encoded += encode(mask_paste(mask[None], box[None], HEIGHT, WIDTH))
    return encoded


def encode(bitmaps: Tensor) -> list[dict[str, Any]]:
    """Return pycocotools' run lengths of bitmaps [n, H, W]."""
    from pycocotools import mask as coco

    array = bitmaps.to(torch.uint8).cpu().numpy()
    return [coco.encode(np.asfortranarray(one)) for one in array]


def agree(ours: Any, other: Any) -> str | None:
    """Compare what is covered; grid_sample fades a mask out towards its box, so a rim differs."""
    from pycocotools import mask as coco

    overlaps = [float(coco.iou([a], [b], [0])[0, 0]) for a, b in zip(ours, other, strict=True)]
    return f"an overlap of {min(overlaps):.3f}" if min(overlaps) < 0.9 else None

"""Crops for a teacher, beside Pillow's loop and torch's.

Shapes: 1,000 regions of 24 to 400 px in 2 images of 800 x 1333, to 224 x 224 px, bicubic.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from case import Case

if TYPE_CHECKING:
    from torch import Tensor

    from ovdet.structures import Regions

COUNT, SIZE, HEIGHT, WIDTH = 1000, 224, 800, 1333  # regions; px


def cases(device: str) -> Iterator[Case]:
    """Yield 8-bit pictures, then pictures in [0, 1], on one device."""
    pictures, regions = draw(device)
    yield make("8-bit", pictures, pictures, regions)
    yield make("float32", pictures / 255, pictures, regions)


def make(kind: str, images: "Tensor", pictures: "Tensor", regions: "Regions") -> Case:
    """Return the case of one type of pictures; Pillow always reads the 8-bit ones."""
    from ovdet.ops import crop_resize

    area = (regions.boxes[:, 2:] - regions.boxes[:, :2]).prod(dim=1).sum()
    read = int(area) * 3 * images.element_size()
    return Case(
        "crop_resize", f"{COUNT:,} crops of {SIZE} from {kind} pictures of {HEIGHT} x {WIDTH}",
        lambda: crop_resize(images, regions, SIZE, resample="bicubic"),
        {
            "Pillow's loop": by_pillow(pictures, regions, threads=1),
            "Pillow's loop on two threads": by_pillow(pictures, regions, threads=2),
            "torch's interpolate, float32, a loop": lambda: by_loop(images, regions),
        },
        agree, read + COUNT * 3 * SIZE * SIZE * 4,
    )  # fmt: skip


def draw(device: str) -> tuple["Tensor", "Regions"]:
    """Return two smooth 8-bit pictures and boxes of whole pixels."""
    import torch
    import torch.nn.functional as F

    from ovdet.structures import Regions

    source = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 50, 84, generator=source) * 200 + 25
    pictures = F.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear").round().to(torch.uint8)
    extent = (24 + torch.rand(COUNT, 2, generator=source) ** 1.5 * 376).floor()
    room = torch.tensor([WIDTH, HEIGHT]) - extent
    start = (torch.rand(COUNT, 2, generator=source) * room).floor()
    regions = Regions(torch.cat([start, start + extent], dim=1), torch.arange(COUNT) % 2)
    return pictures.to(device), regions.to(device)


def by_pillow(pictures: "Tensor", regions: "Regions", threads: int) -> Callable[[], "Tensor"]:
    """Return Pillow's loop over picture files in memory, to a tensor in [0, 1]."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import torch
    from PIL import Image

    files = [Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()) for picture in pictures]
    boxes, owner = regions.boxes.int().tolist(), regions.owner.tolist()

    def work(out: "Tensor", rows: range) -> None:
        for row in rows:
            crop = files[owner[row]].crop(tuple(boxes[row]))
            made = np.array(crop.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
            torch.div(torch.from_numpy(made).permute(2, 0, 1), 255, out=out[row])

    def run() -> "Tensor":
        out = torch.empty(COUNT, 3, SIZE, SIZE)
        step = COUNT // threads
        with ThreadPoolExecutor(threads) as pool:
            parts = [range(i * step, (i + 1) * step) for i in range(threads)]
            list(pool.map(work, [out] * threads, parts))
        return out.to(pictures.device)

    return run


def by_loop(images: "Tensor", regions: "Regions") -> "Tensor":
    """Cut and resize with torch, box by box."""
    import torch
    import torch.nn.functional as F

    images = images.float() / (255 if images.dtype == torch.uint8 else 1)
    out = images.new_empty(len(regions), 3, SIZE, SIZE)
    rows = zip(out, regions.boxes.int().tolist(), regions.owner.tolist(), strict=True)
    for crop, (x1, y1, x2, y2), owner in rows:
        piece = images[owner : owner + 1, :, y1:y2, x1:x2]
        crop[:] = F.interpolate(piece, (SIZE, SIZE), mode="bicubic", antialias=True)[0]
    return out.clamp_(0, 1)


def agree(ours: Any, other: Any) -> str | None:
    """Compare two outputs: 1/255 in all but one number of a thousand, 2/255 there."""
    off = (ours - other).abs() * 255
    rare = float((off > 1.1).float().mean())
    if float(off.max()) <= 2.6 and rare < 1e-3:
        return None
    return f"off by up to {float(off.max()):.1f}/255, by more than 1/255 in {rare:.1%}"

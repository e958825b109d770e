"""Maps and boxes for the tests of region ops, and torchvision's answer to them."""

import torch
import torchvision

from ovdet.structures import Regions

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def pyramid(count, channels=3):
    """Return levels of two pictures of 64 x 40 px, finest at stride 2."""
    generator = torch.Generator().manual_seed(count)
    sides = [(max(20 >> i, 1), max(32 >> i, 1)) for i in range(count)]
    return [torch.rand(2, channels, h, w, generator=generator) for h, w in sides]


def boxes_of_all_kinds():
    """Return boxes of all sizes: inside, across the border, outside, and of no extent."""
    generator = torch.Generator().manual_seed(1)
    start = torch.rand(20, 2, generator=generator) * torch.tensor([50, 30])
    random = torch.cat([start, start + torch.rand(20, 2, generator=generator) * 40], dim=1)
    edges = [[-9, -5, 20, 8], [50, 30, 90, 70], [70, 50, 90, 70], [-30, -20, -9, -9]]
    edges += [[0, 0, 64, 40], [5, 5, 5, 5], [8, 4, 8, 30], [63, 39, 64, 40], [0, 0, 32, 32]]
    boxes = torch.cat([random, torch.tensor(edges, dtype=torch.float32)])
    return Regions(boxes, torch.arange(len(boxes)) % 2)


def by_torchvision(levels, regions, size, scales, samples, aligned):
    """Return what torchvision pools, box by box; the level is counted by hand."""
    rows = []
    for box, owner in zip(regions.boxes, regions.owner, strict=True):
        width, height = (box[2:] - box[:2]).tolist()
        index, side = len(levels) - 1, max(width * height, 1) ** 0.5
        while index > 0 and side < 32 / 2 ** (len(levels) - 1 - index):
            index -= 1
        roi = torch.cat([owner[None].to(box), box])[None]
        how = (scales[index], samples, aligned)
        rows.append(torchvision.ops.roi_align(levels[index], roi, size, *how))
    return torch.cat(rows)


def pictures(height=30, width=40):
    """Return two smooth 8-bit pictures [2, 3, H, W]: sharp ones are clipped on the way."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 5, 6, generator=generator) * 200 + 25
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return fine.round().to(torch.uint8)


def regions(boxes, owner=None):
    """Return regions of the first picture, or of those that ``owner`` names."""
    owner = [0] * len(boxes) if owner is None else owner
    return Regions(torch.tensor(boxes, dtype=torch.float32).view(-1, 4), torch.tensor(owner))

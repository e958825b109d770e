"""RoIAlign over a pyramid, and its gradient, beside the ways detectors do it.

Shapes: an FPN of 800 x 1333 px, 256 channels, strides 4 to 32, 1,000 boxes in each of 2 images.
"""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from case import Case

if TYPE_CHECKING:
    from torch import Tensor

    from ovdet.structures import Regions

HEIGHT, WIDTH, CHANNELS, SIZE, SAMPLES = 800, 1344, 256, 7, 2  # px; padded to a multiple of 32
THEIRS = "torchvision's, level by level as in mmdet"


def cases(device: str) -> Iterator[Case]:
    """Yield the forward pass, then the forward and the backward pass, on one device."""
    import torch

    yield pooling("pyramid_roi_align", *draw(device, torch.float32))
    yield with_gradient(*draw(device, torch.float32))
    if device == "cuda":
        half, regions = draw(device, torch.float16)
        half = [level.contiguous(memory_format=torch.channels_last) for level in half]
        yield pooling("pyramid_roi_align, channels-last", half, regions)


def pooling(name: str, levels: list["Tensor"], regions: "Regions") -> Case:
    """Return the case of the forward pass."""
    ours, theirs = lambda: by_kernel(levels, regions), lambda: by_level(levels, regions)
    return Case(name, say(levels), ours, {THEIRS: theirs}, agree, moved(levels, regions, passes=1))


def with_gradient(levels: list["Tensor"], regions: "Regions") -> Case:
    """Return the case of both passes."""
    return Case(
        "pyramid_roi_align and its gradient",
        say(levels),
        lambda: differentiate(by_kernel, levels, regions),
        {THEIRS: lambda: differentiate(by_level, levels, regions)},
        agree,
        moved(levels, regions, passes=2),
    )


def draw(device: str, dtype: Any) -> tuple[list["Tensor"], "Regions"]:
    """Return levels, and boxes whose sides are spread evenly over the octaves."""
    import torch

    from ovdet.structures import Regions

    source = torch.Generator().manual_seed(0)
    sides = [(HEIGHT // stride, WIDTH // stride) for stride in (4, 8, 16, 32)]
    levels = [torch.randn(2, CHANNELS, *side, generator=source) for side in sides]
    extent = 2 ** (3 + torch.rand(2000, 1, generator=source) * 6.8)
    shape = 2 ** (torch.rand(2000, 1, generator=source) - 0.5)
    half = torch.cat([extent * shape, extent / shape], dim=1) / 2
    limit = torch.tensor([WIDTH, HEIGHT])
    room = (limit - 2 * half).clamp(min=0)
    centre = limit / 2 + (torch.rand(2000, 2, generator=source) - 0.5) * room
    boxes = torch.cat([centre - half, centre + half], dim=1)
    boxes = boxes.clamp(min=0).minimum(torch.cat([limit, limit]))
    regions = Regions(boxes, torch.arange(2000) % 2).to(device)
    return [level.to(device, dtype) for level in levels], regions


def by_kernel(levels: list["Tensor"], regions: "Regions") -> "Tensor":
    """Pool with the library."""
    from ovdet.ops import pyramid_roi_align

    return pyramid_roi_align(levels, regions, SIZE, WIDTH, SAMPLES)


def by_level(levels: list["Tensor"], regions: "Regions") -> "Tensor":
    """Pool as mmdet's extractor does: find each level's rows, pool them, put them in place."""
    import torch
    import torchvision

    boxes = regions.boxes
    rois = torch.cat([regions.owner[:, None].to(boxes), boxes], dim=1).to(levels[0].dtype)
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1).sqrt()
    choice = (len(levels) - 1 + torch.log2(side / (WIDTH / 2) + 1e-6)).floor()
    choice = choice.clamp(0, len(levels) - 1)
    out = levels[0].new_zeros(len(rois), levels[0].shape[1], SIZE, SIZE)
    for index, level in enumerate(levels):
        rows = (choice == index).nonzero().squeeze(1)
        if rows.numel():
            scale = level.shape[3] / WIDTH
            pooled = torchvision.ops.roi_align(level, rois[rows], SIZE, scale, SAMPLES, True)
            out = out.index_copy(0, rows, pooled)
    return out


def differentiate(
    pool: Callable[[list["Tensor"], "Regions"], "Tensor"],
    levels: list["Tensor"],
    regions: "Regions",
) -> "Tensor":
    """Return the gradients of all levels in one row."""
    import torch

    levels = [level.detach().requires_grad_() for level in levels]
    pooled = pool(levels, regions)
    grads = torch.autograd.grad(pooled, levels, torch.ones_like(pooled))
    return torch.cat([grad.flatten() for grad in grads])


def agree(ours: Any, other: Any) -> str | None:
    """Compare two outputs."""
    error = float((ours.float() - other.float()).abs().max())
    allowed = 2e-2 if ours.element_size() == 2 else 1e-4 * max(1.0, float(ours.abs().max()))
    return None if error <= allowed else f"off by {error:.2g}"


def moved(levels: list["Tensor"], regions: "Regions", passes: int) -> int:
    """Return the bytes of the cells written and, at least once, of the levels read, a pass."""
    cells = len(regions) * CHANNELS * SIZE * SIZE
    numbers = cells + sum(math.prod(level.shape) for level in levels)
    return passes * numbers * levels[0].element_size()


def say(levels: list["Tensor"]) -> str:
    """Tell the shape in words."""
    kind = str(levels[0].dtype).removeprefix("torch.")
    return f"2 images of 800 x 1333, 4 levels of 256 channels, 1,000 boxes each, {kind}"

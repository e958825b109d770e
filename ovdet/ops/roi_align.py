"""RoIAlign over one map or a whole pyramid (He et al., "Mask R-CNN", ICCV 2017, Sec. 3).

On a GPU one Triton kernel reads all levels and chooses between them itself, so nothing waits for
the host; elsewhere, and in float64, torchvision's RoIAlign runs level by level, on all of torch's
threads (its own loop on the CPU uses one).

Shapes: B images, L levels, R regions, c channels, h w of a level, S rows x columns of the result.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ovdet.ops.boxes import box_area
from ovdet.ops.kernels import runs_triton
from ovdet.ops.threads import each, shares
from ovdet.structures import InputError, Regions

MOST_LEVELS = 6  # that the kernel takes; a longer pyramid is read level by level
_KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)
_SYM_MAX: Any = torch.sym_max  # has no types


def roi_align(
    maps: Tensor,
    regions: Regions,
    size: int | tuple[int, int],
    *,
    scale: float = 1.0,
    samples: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Pool every region of one map into cells, each the mean of points read bilinearly.

    Args:
        maps: [B, c, h, w], floating point, contiguous or channels-last; sums are kept in float32
            at least.
        regions: R boxes, px of the network input; owners in [0, B).
        size: S, cells a side, or (rows, columns).
        scale: Cells of the map over px of the input.
        samples: Points read a cell and axis; 0 reads as many as the cell is long in the map.
        aligned: Take a map's value to stand in the middle of its cell; False is the older rule,
            half a cell off, that also widens a region to one cell at least.

    Returns:
        [R, c, S, S] of the maps' type and memory format; what lies outside of the map counts as 0.

    Raises:
        InputError: If the maps are not [B, c, h, w] of a floating type, or an owner is not in
            [0, B) (on the CPU; on a GPU such a region reads zeros).
    """
    return _align([maps], regions, _pair(size), [scale], 1.0, samples, aligned=aligned)


def pyramid_roi_align(
    levels: Sequence[Tensor], regions: Regions, size: int, image_size: int, samples: int = 2
) -> Tensor:
    """Pool every region from the pyramid level that suits its size (FPN, Lin 2017, Eq. 1).

    A box whose side is half of ``image_size`` or more reads the coarsest level, one from a quarter
    on the next finer one, and so on.

    Args:
        levels: L maps [B, c, h, w], finest first, each half as fine as the one before; of one
            floating type, contiguous or channels-last.
        regions: R boxes, px of the network input; owners in [0, B).
        size: S, the side of the result.
        image_size: Longer side of the network input, px.
        samples: Points read a cell and axis; 1 is enough where a cell of the result is no larger
            than one of the map, 0 reads as many as the cell is long in the map.

    Returns:
        [R, c, S, S] of the levels' type and memory format.

    Raises:
        InputError: If there is no level, the levels differ in B, c or type or are not floating
            [B, c, h, w], or an owner is not in [0, B) (on the CPU; on a GPU such a region reads
            zeros).
    """
    if torch.compiler.is_exporting():
        return _traced(levels, regions, size, image_size, samples)
    scales = [max(level.shape[-2:]) / image_size for level in levels]
    return _align(levels, regions, [size, size], scales, image_size / 2, samples, aligned=True)


def roi_align_gradient(
    gradient: Tensor,
    regions: Regions,
    shape: Sequence[int],
    *,
    scale: float = 1.0,
    samples: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Return what gradients [R, c, S, S] of :func:`roi_align` make of its map, [B, c, h, w].

    For those who keep the forward pass themselves; autograd needs no call. The sums are the same
    in every run where ``torch.use_deterministic_algorithms`` asks for it.

    Args:
        gradient: [R, c, S, S].
        regions: As in the forward pass, and so are ``scale``, ``samples`` and ``aligned``.
        shape: (B, c, h, w).
        scale: Cells of the map over px of the input.
        samples: Points read a cell and axis; 0 reads as many as the cell is long in the map.
        aligned: Whether a map's value stands in the middle of its cell.
    """
    grads: list[Tensor] = _backward(
        gradient, _boxes(regions, gradient), regions.owner, shape, [scale], 1.0, samples, aligned
    )
    return grads[0]


def level_of(boxes: Tensor, count: int, reach: float) -> Tensor:
    """Return which of ``count`` levels each of [R, 4] boxes reads, [R], int64, 0 the finest.

    A box whose side is ``reach`` px or more reads the coarsest, half of that the next, and so on.
    """
    side = box_area(boxes).clamp(min=1).sqrt()
    level = (count - 1) + torch.log2(side / reach + 1e-6)
    return level.floor().clamp(0, count - 1).long()


def memory_format(maps: Tensor) -> torch.memory_format:
    """Return channels-last where maps [B, c, h, w] lie so and not contiguously as well."""
    last = maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _align(
    levels: Sequence[Tensor],
    regions: Regions,
    size: list[int],
    scales: list[float],
    reach: float,
    samples: int,
    *,
    aligned: bool,
) -> Tensor:
    _check(levels)
    boxes = _boxes(regions, levels[0])
    pooled: Tensor = _forward(
        list(levels), boxes, regions.owner, size, scales, reach, max(samples, 0), aligned
    )
    return pooled


def _traced(
    levels: Sequence[Tensor], regions: Regions, size: int, image_size: int, samples: int
) -> Tensor:
    """Pool from every level and keep what suits, for ``torch.export``.

    What it writes then holds torchvision's operators alone, and its sizes may be symbols.
    """
    _check(levels)
    boxes, torchvision = _boxes(regions, levels[0]), _torchvision()
    choice = level_of(boxes, len(levels), image_size / 2)[:, None, None, None]

    def read(level: Tensor) -> Tensor:
        scale = _SYM_MAX(*level.shape[-2:]) / image_size
        rois, wide = _rois(boxes * scale, regions.owner), level.to(boxes.dtype)
        cells: Tensor = torchvision.roi_align(wide, rois, 1.0, size, size, samples, True)
        return cells

    pooled = read(levels[0])
    for index, level in enumerate(levels[1:], 1):
        pooled = torch.where(choice == index, read(level), pooled)
    return pooled.to(levels[0].dtype)


def _check(levels: Sequence[Tensor]) -> None:
    if not levels:
        raise InputError("a pyramid must have a level to pool from, got none")
    first = levels[0]
    for index, level in enumerate(levels):
        if level.ndim != 4 or not level.is_floating_point():
            raise InputError(
                "maps must be [B, c, h, w] of a floating type, got "
                f"{list(level.shape)} of {level.dtype} at level {index}"
            )
        if level.shape[:2] != first.shape[:2] or level.dtype != first.dtype:
            raise InputError(
                f"levels must agree in images, channels and type, got {list(level.shape)} of "
                f"{level.dtype} at level {index} beside {list(first.shape)} of {first.dtype}"
            )


def _pair(size: int | tuple[int, int]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def _boxes(regions: Regions, maps: Tensor) -> Tensor:
    """Return the boxes in float32 at least: half precision skips pixels from 2048 on."""
    return regions.boxes.to(torch.promote_types(maps.dtype, torch.float32))


def _torchvision() -> Any:
    import torchvision  # noqa: F401 - brings its operators along

    return torch.ops.torchvision


def _takes_kernel(maps: Tensor, levels: int) -> bool:
    return maps.dtype in _KERNEL_TYPES and levels <= MOST_LEVELS and runs_triton(maps)


@torch.library.custom_op("ovdet::roi_align", mutates_args=())
def _forward(
    levels: Sequence[Tensor],
    boxes: Tensor,
    owner: Tensor,
    size: Sequence[int],
    scales: Sequence[float],
    reach: float,
    samples: int,
    aligned: bool,  # noqa: FBT001 - an operator's schema
) -> Tensor:
    out = _empty(levels, len(boxes), size)
    if out.numel() == 0:
        return out
    if _takes_kernel(levels[0], len(levels)):
        from ovdet.ops.kernels.roi_align import pool

        pool(out, levels, boxes, owner, scales, reach, samples, aligned=aligned)
        return out
    check_owner(owner, len(levels[0]))
    torchvision = _torchvision()
    choice, rois = level_of(boxes, len(levels), reach), _rois(boxes, owner)
    wide = [level.to(boxes.dtype).contiguous() for level in levels]

    def fill(piece: tuple[int, Tensor]) -> None:
        index, rows = piece
        out[rows] = torchvision.roi_align(
            wide[index], rois[rows], scales[index], *size, samples, aligned
        ).to(out.dtype)

    picked = [(choice == index).nonzero().squeeze(1) for index in range(len(levels))]
    pieces = [(i, rows[share]) for i, rows in enumerate(picked) for share in shares(len(rows))]
    each(fill, pieces, boxes.device)
    return out


@_forward.register_fake
def _(levels: Sequence[Tensor], boxes: Tensor, _owner: Tensor, size: Any, *_how: Any) -> Tensor:
    return _empty(levels, len(boxes), size)


@torch.library.custom_op("ovdet::roi_align_backward", mutates_args=())
def _backward(
    gradient: Tensor,
    boxes: Tensor,
    owner: Tensor,
    shapes: Sequence[int],
    scales: Sequence[float],
    reach: float,
    samples: int,
    aligned: bool,  # noqa: FBT001 - an operator's schema
) -> list[Tensor]:
    grads = _zeros(gradient, shapes)
    if gradient.numel() == 0:
        return grads
    if _takes_kernel(gradient, len(grads)):
        from ovdet.ops.kernels.roi_align import spread

        return spread(gradient, grads, boxes, owner, scales, reach, samples, aligned=aligned)
    torchvision = _torchvision()
    choice, rois = level_of(boxes, len(grads), reach), _rois(boxes, owner)
    picked = [(choice == index).nonzero().squeeze(1) for index in range(len(grads))]

    def fill(piece: tuple[int, slice]) -> None:
        index, part = piece
        rows, share = picked[index], grads[index][:, part]
        how = (scales[index], *gradient.shape[2:], *share.shape)
        share[:] = torchvision._roi_align_backward(
            gradient[rows, part].to(boxes.dtype), rois[rows], *how, samples, aligned
        )

    levels = [index for index, rows in enumerate(picked) if len(rows)]
    parts = shares(gradient.shape[1])  # of the channels: no two threads add to one place
    each(fill, [(index, part) for index in levels for part in parts], boxes.device)
    return grads


@_backward.register_fake
def _(
    gradient: Tensor, _boxes: Tensor, _owner: Tensor, shapes: Sequence[int], *_how: Any
) -> list[Tensor]:
    return _zeros(gradient, shapes)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 - its form
    levels, boxes, owner, _, *how = inputs
    ctx.save_for_backward(boxes, owner)
    ctx.shapes = [side for level in levels for side in level.shape]
    ctx.how = how


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    grads = _backward(gradient, *ctx.saved_tensors, ctx.shapes, *ctx.how)
    return grads, *[None] * 7


_forward.register_autograd(_differentiate, setup_context=_keep)


def _empty(levels: Sequence[Tensor], count: int, size: Sequence[int]) -> Tensor:
    shape = (count, levels[0].shape[1], *size)
    layout = memory_format(levels[0])
    return torch.empty(
        shape, dtype=levels[0].dtype, device=levels[0].device, memory_format=layout
    ).zero_()


def _zeros(gradient: Tensor, shapes: Sequence[int]) -> list[Tensor]:
    layout = memory_format(gradient)
    return [
        torch.empty(
            tuple(shapes[start : start + 4]),
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=layout,
        ).zero_()
        for start in range(0, len(shapes), 4)
    ]


def _rois(boxes: Tensor, owner: Tensor) -> Tensor:
    return torch.cat([owner[:, None].to(boxes.dtype), boxes], dim=1)


def check_owner(owner: Tensor, images: int) -> None:
    """Check on the CPU that every owner [R] names one of the images; a GPU would have to wait.

    Raises:
        InputError: If one does not.
    """
    if owner.device.type == "cpu" and bool(((owner < 0) | (owner >= images)).any()):
        wrong = owner[(owner < 0) | (owner >= images)][0].item()
        raise InputError(f"owners must be in [0, {images}), the images there are, got {wrong}")

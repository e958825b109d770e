"""Multi-scale deformable attention (Zhu et al., "Deformable DETR", ICLR 2021, Eq. 3).

On a GPU one Triton kernel reads the points of all levels and mixes them as they come, and another
one takes the gradients back; elsewhere each level is read by torch's grid sampling.

Shapes: B images, L levels, T cells of all levels, M heads of width d, Q queries, P points.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.ops.kernels import runs_triton

_KERNEL_TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
Sizes = Sequence[tuple[int, int]]


def deform_attn(values: Tensor, shapes: Sizes, locations: Tensor, weights: Tensor) -> Tensor:
    """Read every level at each query's points and mix what was read.

    A point between cells reads them bilinearly; outside the map is zero. Sums are kept in float32
    or finer, whatever the type of ``values``.

    Args:
        values: [B, T, M, d], the T cells of all levels, row by row, for each of M heads.
        shapes: (h, w) of the L levels; T is the sum of their products.
        locations: [B, Q, M, L, P, 2], (x, y) of P points, as parts of a map's width and height.
        weights: [B, Q, M, L, P].

    Returns:
        [B, Q, M * d], in the type of ``values``. On a GPU it can be differentiated once, and the
        last bits of the gradient of ``values`` vary with the order of its sums.

    Raises:
        ValueError: If the levels' cells do not add up to T, or the other shapes do not agree.
    """
    _check(values, shapes, locations, weights)
    if _takes_kernel(values):
        sizes = [side for shape in shapes for side in shape]
        fused: Tensor = _forward(values, sizes, locations, weights)
        return fused
    return by_levels(values, shapes, locations, weights)


def by_levels(values: Tensor, shapes: Sizes, locations: Tensor, weights: Tensor) -> Tensor:
    """Return what :func:`deform_attn` returns, from torch's own functions: its reference."""
    batch, _, heads, depth = values.shape
    queries = locations.shape[1]
    wide = torch.promote_types(values.dtype, torch.float32)  # a grid in bfloat16 is too coarse
    grids = (2 * locations - 1).to(wide).permute(0, 2, 3, 1, 4, 5)  # [B, M, L, Q, P, 2]
    read = []
    pieces = torch.split(values.to(wide), [h * w for h, w in shapes], dim=1)
    for level, (piece, (height, width)) in enumerate(zip(pieces, shapes, strict=True)):
        maps = piece.permute(0, 2, 3, 1).reshape(batch * heads, depth, height, width)
        grid = grids[:, :, level].flatten(0, 1)  # [BM, Q, P, 2]
        read.append(F.grid_sample(maps, grid, padding_mode="zeros", align_corners=False))
    seen = torch.cat(read, dim=-1)  # [BM, d, Q, LP]
    share = weights.to(wide).transpose(1, 2).flatten(3).flatten(0, 1)[:, None]
    mixed = (seen * share).sum(dim=-1).view(batch, heads * depth, queries)
    return mixed.transpose(1, 2).to(values.dtype)


def _takes_kernel(values: Tensor) -> bool:
    if values.dtype not in _KERNEL_TYPES:
        return False
    if torch.compiler.is_compiling():  # a tracer cannot look for Triton, and needs it on a GPU too
        return values.is_cuda
    return runs_triton(values)


def _check(values: Tensor, shapes: Sizes, locations: Tensor, weights: Tensor) -> None:
    cells = sum(height * width for height, width in shapes)
    if cells != values.shape[1]:
        raise ValueError(f"levels {list(shapes)} have {cells} cells, got {values.shape[1]}")
    batch, _, heads, _ = values.shape
    fits = locations.ndim == 6 and locations.shape[::2] == (batch, heads, locations.shape[4])
    fits = fits and (locations.shape[3], locations.shape[5]) == (len(shapes), 2)
    if not fits or weights.shape != locations.shape[:-1]:
        raise ValueError(
            f"locations must be [{batch}, Q, {heads}, {len(shapes)}, P, 2] and weights alike but "
            f"for the 2, got {list(locations.shape)} and {list(weights.shape)}"
        )


@torch.library.custom_op("ovdet::deform_attn", mutates_args=())
def _forward(values: Tensor, sizes: Sequence[int], locations: Tensor, weights: Tensor) -> Tensor:
    from ovdet.ops.kernels.deform_attn import read

    return read(values, sizes, locations, weights)


@_forward.register_fake
def _(values: Tensor, _sizes: Any, locations: Tensor, _weights: Tensor) -> Tensor:
    batch, _, heads, depth = values.shape
    return values.new_empty(batch, locations.shape[1], heads * depth)


@torch.library.custom_op("ovdet::deform_attn_backward", mutates_args=())
def _backward(
    gradient: Tensor, values: Tensor, sizes: Sequence[int], locations: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    from ovdet.ops.kernels.deform_attn import spread

    return spread(gradient, values, sizes, locations, weights)


@_backward.register_fake
def _(
    _gradient: Tensor, values: Tensor, _sizes: Any, locations: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    for_values, for_locations, for_weights = (
        part.new_empty(part.shape) for part in (values, locations, weights)
    )
    return for_values, for_locations, for_weights


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 - its form
    values, ctx.sizes, locations, weights = inputs
    ctx.save_for_backward(values, locations, weights)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    values, locations, weights = ctx.saved_tensors
    for_values, for_locations, for_weights = _backward(
        gradient, values, ctx.sizes, locations, weights
    )
    return for_values, None, for_locations, for_weights


_forward.register_autograd(_differentiate, setup_context=_keep)

"""Attention that reads a few points of several maps, and where things are as waves. No state."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def deformable_attention(
    values: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Read every level at each query's points and mix what was read (Deformable DETR, Eq. 3).

    Zhu et al., ICLR 2021. A point between cells reads them bilinearly; outside the map is zero.
    Sums are kept in float32 or finer, whatever the type of ``values``.

    Args:
        values: [B, T, M, d], the T cells of all levels, row by row, for each of M heads.
        shapes: (h, w) of the L levels; T is the sum of their products.
        locations: [B, Q, M, L, P, 2], (x, y) of P points, as parts of a map's width and height.
        weights: [B, Q, M, L, P].

    Returns:
        [B, Q, M * d], in the type of ``values``.

    Raises:
        ValueError: If the levels' cells do not add up to T.
    """
    sizes = [height * width for height, width in shapes]
    if sum(sizes) != values.shape[1]:
        raise ValueError(f"levels {list(shapes)} have {sum(sizes)} cells, got {values.shape[1]}")
    batch, _, heads, depth = values.shape
    queries = locations.shape[1]
    wide = torch.promote_types(values.dtype, torch.float32)  # a grid in bfloat16 is too coarse
    grids = (2 * locations - 1).to(wide).permute(0, 2, 3, 1, 4, 5)  # [B, M, L, Q, P, 2]
    read = []
    for level, (piece, (height, width)) in enumerate(
        zip(torch.split(values.to(wide), sizes, dim=1), shapes, strict=True)
    ):
        maps = piece.permute(0, 2, 3, 1).reshape(batch * heads, depth, height, width)
        grid = grids[:, :, level].flatten(0, 1)  # [BM, Q, P, 2]
        read.append(F.grid_sample(maps, grid, padding_mode="zeros", align_corners=False))
    seen = torch.cat(read, dim=-1)  # [BM, d, Q, LP]
    share = weights.to(wide).transpose(1, 2).flatten(3).flatten(0, 1)[:, None]
    mixed = (seen * share).sum(dim=-1).view(batch, heads * depth, queries)
    return mixed.transpose(1, 2).to(values.dtype)


def sine_encoding(positions: Tensor, width: int, temperature: float = 10000.0) -> Tensor:
    """Write positions as sines and cosines of rising wave lengths (Vaswani 2017, Sec. 3.5).

    Args:
        positions: [..., n], parts of the whole, in [0, 1]; the shortest wave has that length.
        width: Numbers a position, even.
        temperature: The longest wave over the shortest, nearly.

    Returns:
        [..., n * width], float32 or finer; each position's sines and cosines alternate.

    Raises:
        ValueError: If ``width`` is odd.
    """
    if width % 2:
        raise ValueError(f"width must be even, got {width}")
    positions = positions.to(torch.promote_types(positions.dtype, torch.float32))
    steps = torch.arange(0, width, 2, device=positions.device, dtype=positions.dtype) / width
    angles = 2 * math.pi * positions[..., None] / temperature**steps  # [..., n, width / 2]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-3)


def grid_encoding(height: int, width: int, size: int, device: torch.device | str = "cpu") -> Tensor:
    """Write where each cell of a map is: waves of its row, then of its column.

    As DETR does (Carion et al., ECCV 2020, App. A.4): cell i of n stands at (i + 1) / n.

    Args:
        height: h.
        width: w.
        size: Numbers a cell; 4 divides it.
        device: Where the result shall be.

    Returns:
        [h * w, size], float32, row by row.

    Raises:
        ValueError: If 4 does not divide ``size``.
    """
    if size % 4:
        raise ValueError(f"size must be a multiple of 4, got {size}")
    y = torch.arange(1, height + 1, device=device) / height
    x = torch.arange(1, width + 1, device=device) / width
    places = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1)
    return sine_encoding(places.flatten(0, 1), size // 2)

"""Learnt positions for a grid of another size than the one they were learnt on."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.structures import InputError


def resample_positions(
    positions: Tensor, height: int, width: int, *, extra: int = 1, antialias: bool = False
) -> Tensor:
    """Stretch the positions of a square grid to ``height`` x ``width`` cells, bicubically.

    Args:
        positions: [E + G * G, c], the rows of tokens without a place first, then a G x G grid.
        height: Cells in a column.
        width: Cells in a row.
        extra: E: 1 where there is a class token, else 0.
        antialias: Whether the cubic is the softer one that PIL and timm use, widened to shrink.

    Returns:
        [E + height * width, c]; the same tensor where the grid is G x G already.

    Raises:
        InputError: If the rows behind the first ones are no square grid.
    """
    side = math.isqrt(len(positions) - extra)
    if side * side != len(positions) - extra:
        raise InputError(f"positions must be {extra} + G * G rows, got {len(positions)}")
    if (height, width) == (side, side):
        return positions
    grid = positions[extra:].float().T.reshape(1, -1, side, side)
    size = (height, width)
    grid = F.interpolate(grid, size, mode="bicubic", align_corners=False, antialias=antialias)
    return torch.cat([positions[:extra], grid[0].flatten(1).T.to(positions.dtype)])

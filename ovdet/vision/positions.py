"""Learnt positions for a grid of another size than the one they were learnt on."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ovdet.structures import InputError


def resample_positions(positions: Tensor, height: int, width: int) -> Tensor:
    """Stretch the positions of a square grid to ``height`` x ``width`` cells, bicubically.

    Args:
        positions: [1 + G * G, c], the row of a token without a place first, then a G x G grid.
        height: Cells in a column.
        width: Cells in a row.

    Returns:
        [1 + height * width, c]; the same tensor where the grid is G x G already.

    Raises:
        InputError: If the rows behind the first are no square grid.
    """
    side = math.isqrt(len(positions) - 1)
    if side * side != len(positions) - 1:
        raise InputError(f"positions must be 1 + G * G rows, got {len(positions)}")
    if (height, width) == (side, side):
        return positions
    grid = positions[1:].float().T.reshape(1, -1, side, side)
    grid = F.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], grid[0].flatten(1).T.to(positions.dtype)])

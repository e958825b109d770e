"""Where things are, written as waves for attention to read. No state."""

import math

import torch
from torch import Tensor


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

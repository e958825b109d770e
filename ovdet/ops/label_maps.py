"""Maps of many classes to one map of labels, without holding them all at the larger size.

Shapes: Q maps, h w places, H W px.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 2**22  # values of stretched maps held at a time: 16 MiB in float32


def best_map(
    maps: Tensor, size: tuple[int, int], *, totals: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Tell which of Q maps is the highest at each px once all are stretched bilinearly.

    A few rows of px at a time are made of all maps and compared: 150 maps of 4000 x 3000 px would
    be 7 GB. Of equal ones the first wins.

    Args:
        maps: [Q, h, w], at least one.
        size: (H, W).
        totals: Whether the logarithm of the summed exponentials is wanted, for a softmax.

    Returns:
        The index [H, W], int64; the value there [H, W]; and log sum exp over the Q values [H, W],
        None without ``totals``.
    """
    height, width = size
    at_once = max(1, _AT_ONCE // (len(maps) * width))
    index = torch.empty(size, dtype=torch.int64, device=maps.device)
    best = maps.new_empty(size)
    total = maps.new_empty(size) if totals else None
    for start in range(0, height, at_once):
        rows = slice(start, min(start + at_once, height))
        part = _stretched_rows(maps, rows, height, width)
        best[rows], index[rows] = part.max(dim=0)
        if total is not None:
            total[rows] = part.logsumexp(dim=0)
    return index, best, total


def _stretched_rows(maps: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Return some rows of maps stretched bilinearly to [Q, height, width]."""
    count = maps.shape[1]
    centres = torch.arange(rows.start, rows.stop, device=maps.device, dtype=torch.float64) + 0.5
    source = (centres * count / height - 0.5).clamp(0, count - 1)
    above = source.long()
    part = (source - above).to(maps.dtype)[:, None]
    below = (above + 1).clamp(max=count - 1)
    between = torch.lerp(maps[:, above], maps[:, below], part)  # [Q, rows, w]
    wide = (len(above), width)
    return F.interpolate(between[None], wide, mode="bilinear", align_corners=False)[0]

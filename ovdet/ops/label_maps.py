"""Maps of many classes to one map of labels, without holding them all at the larger size.

Shapes: Q maps, h w places, H W px.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 2**24  # values of stretched maps held at a time: 64 MiB in float32


def best_map(
    maps: Tensor, size: tuple[int, int], *, totals: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Tell which of Q maps is the highest at each px once all are stretched bilinearly.

    A few maps at a time are stretched and compared with the best so far: 150 maps of 4000 x 3000 px
    would be 7 GB. Of equal ones the first wins.

    Args:
        maps: [Q, h, w], at least one.
        size: (H, W).
        totals: Whether the logarithm of the summed exponentials is wanted, for a softmax.

    Returns:
        The index [H, W], int64; the value there [H, W]; and log sum exp over the Q values [H, W],
        None without ``totals``.
    """
    at_once = max(1, _AT_ONCE // (size[0] * size[1]))
    index = torch.zeros(size, dtype=torch.int64, device=maps.device)
    best = maps.new_full(size, -torch.inf)
    total = maps.new_full(size, -torch.inf) if totals else None
    for start in range(0, len(maps), at_once):
        part = F.interpolate(
            maps[None, start : start + at_once], size, mode="bilinear", align_corners=False
        )[0]
        value, place = part.max(dim=0)
        if total is not None:
            total = torch.logaddexp(total, part[0] if len(part) == 1 else part.logsumexp(dim=0))
        won = value > best
        index[won] = place[won] + start
        best = torch.where(won, value, best)
    return index, best, total

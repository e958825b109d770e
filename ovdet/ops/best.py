"""The best of many numbers, in an order that ties do not leave to chance. No state."""

import torch
from torch import Tensor

_BLOCK = 32
"""Numbers of which only the largest is looked at first: a pass over all that compares nothing."""


def best_places(values: Tensor, count: int, floor: float = -torch.inf) -> Tensor:
    """Return where the ``count`` best values above a floor stand, best first.

    Equal values come in the order they stand in, as a stable sort would have them. The largest of
    every block is found first; a block whose largest is not among the ``count`` best of these can
    hold none of the ``count`` best values.

    Args:
        values: [N], any floating dtype. NaN is never among the best.
        count: Most places, at least 0.
        floor: Values must be above it.

    Returns:
        [K], int64, K <= ``count``.
    """
    places = _promising(values, count, floor) if len(values) > 2 * _BLOCK * count else None
    if places is None:
        places = (values > floor).nonzero().flatten()
    kept = values[places]
    if len(kept) > count > 0:
        above = kept >= kept.topk(count, sorted=False).values.amin()
        places, kept = places[above], kept[above]
    return places[kept.argsort(descending=True, stable=True)[:count]]


def _promising(values: Tensor, count: int, floor: float) -> Tensor | None:
    """Return the rising places of some values that hold the best ones; None if there are NaN."""
    width = len(values) // _BLOCK
    blocks = values[: width * _BLOCK].view(_BLOCK, width)  # a block is a column: memory is in rows
    largest = blocks.amax(dim=0)
    if count == 0 or largest.isnan().any():
        return None
    bound = largest.topk(count, sorted=False).values.amin()
    columns = ((largest >= bound) & (largest > floor)).nonzero().flatten()
    rows, picked = (blocks[:, columns] >= bound).nonzero(as_tuple=True)
    rest = torch.arange(width * _BLOCK, len(values), device=values.device)
    places = torch.cat([rows * width + columns[picked], rest]).sort().values
    return places[values[places] > floor]

"""Rows of all processes, with their gradients."""

import torch
from torch import Tensor

from ovdet.structures import Tokens


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Return the rows of all processes in their order, and the place of this process's first.

    A gradient of the gathered rows flows back to the process they came from, so that the mean of
    the processes' gradients is that of one big batch.

    Args:
        rows: [N, ...], as many in each process.
    """
    if not _several():
        return rows, 0
    from torch.distributed.nn.functional import all_gather

    start = torch.distributed.get_rank() * len(rows)
    return torch.cat(all_gather(rows.contiguous())), start  # type: ignore[no-untyped-call]


def gather_tokens(tokens: Tokens) -> Tokens:
    """Return the sets of all processes in their order, as many from each, padded to the longest."""
    if not _several():
        return tokens
    length = torch.tensor(tokens.vectors.shape[1], device=tokens.vectors.device)
    torch.distributed.all_reduce(length, torch.distributed.ReduceOp.MAX)
    tokens = tokens.padded(int(length))
    masks = [torch.empty_like(tokens.real) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(masks, tokens.real.contiguous())
    return Tokens(gather_rows(tokens.vectors)[0], torch.cat(masks))


def _several() -> bool:
    known = torch.distributed.is_available() and torch.distributed.is_initialized()
    return known and torch.distributed.get_world_size() > 1

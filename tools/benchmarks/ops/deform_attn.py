"""Deformable attention of an encoder's and of a decoder's layer, forward and backward."""

from collections.abc import Iterator
from typing import Any

import torch
from case import Case
from torch import Tensor

SHAPES = [(100, 167), (50, 84), (25, 42), (13, 21)]  # 800 x 1333 px at strides 8 to 64
HEADS, DEPTH, POINTS = 8, 32, 4
QUERIES = {"decoder": 900, "encoder": sum(height * width for height, width in SHAPES)}


def cases(device: str) -> Iterator[Case]:
    """Yield the op for the queries of a decoder and for all cells, an image each."""
    from ovdet.ops.deform_attn import by_levels, deform_attn

    for kind, queries in QUERIES.items():
        given = places(queries, device)
        moved = sum(part.numel() for part in given) + queries * HEADS * DEPTH
        yield Case(
            op="deform_attn",
            shape=f"{kind}: {queries:,} queries, 8 heads of 32, 4 levels of 800 x 1333, 4 points",
            ours=lambda given=given: deform_attn(given[0], SHAPES, *given[1:]),
            others={"grid_sample": lambda given=given: by_levels(given[0], SHAPES, *given[1:])},
            agree=agree,
            moved=4 * moved,
        )
        leaves = [part.clone().requires_grad_() for part in given]
        yield Case(
            op="deform_attn",
            shape=f"{kind}, forward and backward",
            ours=lambda leaves=leaves: step(deform_attn, leaves),
            others={"grid_sample": lambda leaves=leaves: step(by_levels, leaves)},
            agree=agree,
            moved=8 * moved,
        )


def places(queries: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return values [1, T, M, d], locations [1, Q, M, L, P, 2] and weights [1, Q, M, L, P]."""
    generator = torch.Generator().manual_seed(0)
    size = (1, queries, HEADS, len(SHAPES), POINTS)
    values = torch.randn(1, QUERIES["encoder"], HEADS, DEPTH, generator=generator)
    spot = torch.rand(*size[:2], 1, 1, 1, 2, generator=generator)
    around = 0.05 * torch.randn(*size, 2, generator=generator)
    weights = torch.rand(size, generator=generator).flatten(3).softmax(dim=-1).view(size)
    return values.to(device), (spot + around).to(device), weights.to(device)


def step(attend: Any, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """Return the gradients of the output's sum of squares."""
    out = attend(leaves[0], SHAPES, *leaves[1:])
    return torch.autograd.grad(out.square().sum(), leaves)


def agree(ours: Any, other: Any) -> str | None:
    """Compare outputs or gradients, relative to the largest."""
    pairs = [(ours, other)] if isinstance(ours, Tensor) else zip(ours, other, strict=True)
    worst = max(float((mine - its).abs().max() / its.abs().max()) for mine, its in pairs)
    return f"differs by {worst:.1e} of the largest" if worst > 1e-4 else None

"""Bounds on the largest logit of blocks of names, and the best pairs found by them. No state.

A block's bound comes of a rough product; where it cannot reach the best pairs found so far, none
of its names is computed in full. Shapes: R regions, C classes, D width, M blocks of at most
``BLOCK`` classes.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.ops.best import best_places
from ovdet.ops.comparison import Comparison

BLOCK = 32
_TILE = 2**20  # products at a time: 2 MiB in half precision
_LEAST = 2**18  # products below which one multiplication of the whole is quicker
_LEAST_SHARED = 2**22  # likewise of a softmax, which must look at each anyway
_PAIRS = 2**19  # numbers read at a time when pairs are computed in full: 2 MiB in float32
_HALF = 2.0**-8  # largest relative error of rounding to bfloat16


@dataclass(frozen=True)
class Bounds:
    """What a rough product says.

    Attributes:
        upper: [R, M], no key (see ``Comparison.keys``) of a block is above it.
        first: [M], int64, first class of each block.
        step: [M], int64, from one class of a block to the next.
        last: [M], int64, classes of a block are below it.
        shift: [R], taken from a region's logits to make keys: 0, or the logarithm of its softmax's
            sum.
    """

    upper: Tensor
    first: Tensor
    step: Tensor
    last: Tensor
    shift: Tensor


def pays(asked: Comparison, count: int) -> bool:
    """Tell whether bounds are worth their price where ``count`` pairs are wanted."""
    products = len(asked.embeddings) * len(asked.classes)
    return products > max(_LEAST_SHARED if asked.softmax else _LEAST, 8 * BLOCK * count)


def bound_blocks(asked: Comparison) -> Bounds:
    """Return bounds from products of tiles of classes, each with all regions.

    Sigmoids are bounded from products in bfloat16 where the processor multiplies it; the error of
    rounding both factors is measured, that of the sum is at most D units of float32. A softmax
    needs its sum in full, so its products are.

    Args:
        asked: In float32 or float64.
    """
    queries = asked.embeddings * asked.scale
    rough = torch.bfloat16 if not asked.softmax and _multiplies_half(queries) else queries.dtype
    low = queries.to(rough)
    norms = [part.norm(dim=1) for part in (queries, low.to(queries.dtype), queries - low)]
    shift = _background(asked, queries)
    width = max(_TILE // max(len(queries), 1) // BLOCK, 1) * BLOCK
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(asked.classes), width):
        classes = asked.classes[start : start + width]
        rounded = classes.to(rough)
        logits = low @ rounded.T
        if asked.bias is not None:
            logits = _above(logits.to(queries.dtype), rough) + asked.bias[start : start + width]
        largest, *places = _blocks(logits, start)
        if asked.softmax:
            shift = torch.logaddexp(shift, _log_sum(logits, largest.amax(dim=1)))
        largest = largest.to(queries.dtype)
        largest = largest if asked.bias is not None else _above(largest, rough)
        parts.append((largest + _error(norms, classes, rounded)[:, None], *places))
    upper, first, step, last = (torch.cat(part, dim=-1) for part in zip(*parts, strict=True))
    upper -= shift[:, None]
    upper.nan_to_num_(nan=math.inf, posinf=math.inf, neginf=-math.inf)
    return Bounds(upper, first, step, last, shift)


def best_of_blocks(
    asked: Comparison, bounds: Bounds, rows: Tensor, count: int, threshold: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best pairs of some regions: scores, regions, classes, [K] each, best first.

    Args:
        asked: What the bounds are of.
        bounds: Of all regions.
        rows: [r], int64, rising: the regions that take part.
        count: Most pairs.
        threshold: Scores must be above it.
    """
    floor = asked.floor(threshold)
    upper = bounds.upper[rows].flatten()
    sure = best_places(upper, count, floor)
    found = [_in_full(asked, bounds, rows, sure, floor)]
    keys = found[0][0]
    if len(keys) > count:
        worst = keys.topk(count).values[-1]
        floor = float(worst.nextafter(worst.new_tensor(-math.inf)))  # its equals count
    doubtful = upper > floor
    doubtful[sure] = False
    found += [
        _in_full(asked, bounds, rows, part, floor)
        for part in torch.split(doubtful.nonzero().flatten(), 4096)
    ]
    keys, regions, labels = (torch.cat(part) for part in zip(*found, strict=True))
    in_order = (regions * len(asked.classes) + labels).argsort()
    best = in_order[best_places(keys[in_order], count)]
    scores = asked.scores(keys[best])
    best = best[scores > threshold]
    return asked.scores(keys[best]), regions[best], labels[best]


def _in_full(
    asked: Comparison, bounds: Bounds, rows: Tensor, places: Tensor, floor: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return keys above a floor, regions and classes of the pairs in some blocks.

    A pair's product is summed by itself, so that equal vectors give equal keys wherever they are.
    """
    blocks = bounds.upper.shape[1]
    regions, block = rows[places // blocks], places % blocks
    members = torch.arange(BLOCK, device=places.device)
    labels = bounds.first[block, None] + members * bounds.step[block, None]  # [n, BLOCK]
    real = labels < bounds.last[block, None]
    labels = labels.clamp(max=len(asked.classes) - 1)
    at_once = max(1, _PAIRS // (BLOCK * max(asked.classes.shape[1], 1)))
    parts = [asked.classes.new_zeros(0, BLOCK)]
    for some, names in zip(
        torch.split(regions, at_once), torch.split(labels, at_once), strict=True
    ):
        vectors = asked.classes[names.flatten()].view(*names.shape, asked.classes.shape[1])
        vectors *= (asked.embeddings[some] * asked.scale)[:, None]
        parts.append(vectors.sum(dim=2))
    keys = torch.cat(parts)
    if asked.bias is not None:
        keys = keys + asked.bias[labels]
    keys = keys - bounds.shift[regions, None]
    row, column = (real & (keys > floor)).nonzero(as_tuple=True)
    return keys[row, column], regions[row], labels[row, column]


def _blocks(logits: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the largest of each block [R, m], and first, step and last [m] of their classes.

    A block is every m-th class, so that maxima are taken between whole rows of memory.
    """
    regions, classes = logits.shape
    blocks = -(-classes // BLOCK)
    if classes < blocks * BLOCK:
        missing = logits.new_full((regions, blocks * BLOCK - classes), -math.inf)
        logits = torch.cat([logits, missing], dim=1)
    first = torch.arange(start, start + blocks, device=logits.device)
    step, last = torch.full_like(first, blocks), torch.full_like(first, start + classes)
    return logits.view(regions, BLOCK, blocks).amax(dim=1), first, step, last


def _background(asked: Comparison, queries: Tensor) -> Tensor:
    """Return what a region's keys are shifted by before any class is seen, [R]."""
    if not asked.softmax:
        return queries.new_zeros(len(queries))
    if asked.background is None:
        return queries.new_full((len(queries),), -math.inf)
    return (queries @ asked.background.T).logsumexp(dim=1)


def _log_sum(logits: Tensor, largest: Tensor) -> Tensor:
    """Return the logarithm of each row's sum of exponentials, [R]; the logits are spent."""
    return logits.sub_(largest[:, None]).exp_().sum(dim=1).log_().add_(largest)


def _error(norms: list[Tensor], classes: Tensor, rounded: Tensor) -> Tensor:
    """Return what products may lie above those of rounded factors, [R]: Cauchy and Schwarz."""
    whole, low, gap = norms
    longest = classes.norm(dim=1).amax()
    units = classes.shape[1] * 2 * torch.finfo(classes.dtype).eps
    error: Tensor = gap * longest + units * whole * longest
    if rounded.dtype is not classes.dtype:
        error = error + low * (classes - rounded).norm(dim=1).amax()
    return error


def _above(products: Tensor, rough: torch.dtype) -> Tensor:
    """Return what products were at most before they were rounded."""
    return products + _HALF * 1.01 * products.abs() if rough is torch.bfloat16 else products


def _multiplies_half(like: Tensor) -> bool:
    """Tell whether the device multiplies bfloat16 faster than float32."""
    if like.dtype is not torch.float32:
        return False
    if like.is_cuda:
        return bool(torch.cuda.is_bf16_supported())
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch tells nowhere else
    return like.device.type == "cpu" and known is not None and bool(known())

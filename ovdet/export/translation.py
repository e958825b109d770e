"""What ONNX has in place of our own operators."""

from collections.abc import Callable
from typing import Any

import torch

from ovdet.export import fixed  # noqa: F401 - brings its operator along


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return a function that writes ONNX for each of our operators a graph may hold."""
    return {torch.ops.ovdet.apart.default: _apart}


def _apart(boxes: Any, groups: Any, real: Any, threshold: float) -> Any:
    """Write ``fixed.apart`` as NonMaxSuppression.

    That operator suppresses within rows of scores: a row for every candidate, which holds those
    whose group it is the first of, so that their number and not that of all names counts.
    """
    import onnxscript
    from onnxscript import BOOL, FLOAT

    op: Any = onnxscript.opset18  # its types know none of what a trace hands over
    shape = op.Shape(real)
    count = op.Shape(real, start=1, end=2)
    places = op.Range(0, op.Squeeze(count), 1)  # [N]
    ranks = op.Cast(op.Sub(count, places), to=FLOAT.dtype)  # [N], falling, all above 0
    chosen = op.Unsqueeze(real, [1])  # [B, 1, N]
    if groups is not None:
        same = op.Equal(op.Unsqueeze(groups, [2]), op.Unsqueeze(groups, [1]))  # [B, N, N]
        first = op.ArgMax(op.Cast(same, to=FLOAT.dtype), axis=2, keepdims=0)  # [B, N]
        own = op.Equal(op.Unsqueeze(first, [1]), op.Unsqueeze(places, [0, 2]))
        chosen = op.And(own, chosen)
    zero = op.Constant(value_float=0.0)
    scores = op.Where(chosen, ranks, zero)  # [B, rows, N]
    overlap = op.Constant(value_floats=[threshold])
    picked = op.NonMaxSuppression(boxes, scores, count, overlap, op.Unsqueeze(zero, [0]))
    index = op.Gather(picked, op.Constant(value_ints=[0, 2]), axis=1)  # [S, 2], image and place
    none = op.Cast(op.Expand(op.Constant(value_int=0), shape), to=BOOL.dtype)
    ones = op.Expand(op.Constant(value_int=1), op.Shape(index, start=0, end=1))
    return op.ScatterND(none, index, op.Cast(ones, to=BOOL.dtype))

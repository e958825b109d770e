"""Multi-scale deformable attention (Zhu 2021) on devices where mmcv calls a kernel for it.

Shapes: B images, S cells of L levels, M heads of width d, Q queries, P points.
"""

from typing import Any

import torch
from torch import Tensor

from ovdet.ops.deform_attn import deform_attn


def ms_deform_attn_forward(
    values: Tensor, shapes: Tensor, _starts: Tensor, locations: Tensor, weights: Tensor, **_how: Any
) -> Tensor:
    """Return [B, Q, M d].

    Args:
        values: [B, S, M, d].
        shapes: [L, 2], (h, w) of the levels.
        locations: [B, Q, M, L, P, 2], (x, y) in [0, 1].
        weights: [B, Q, M, L, P].
    """
    return deform_attn(values, _pairs(shapes), locations, weights)


def ms_deform_attn_backward(*tensors: Tensor, **_how: Any) -> None:
    """Write the gradients of values, locations and weights.

    Args:
        tensors: The five of the forward pass, the gradient of its output, the three to write.
    """
    values, shapes, _, locations, weights, gradient, *written = tensors
    leaves = [t.detach().requires_grad_() for t in (values, locations, weights)]
    with torch.enable_grad():
        output = deform_attn(leaves[0], _pairs(shapes), leaves[1], leaves[2])
        parts = torch.autograd.grad(output, leaves, gradient)
    for place, part in zip(written, parts, strict=True):
        place.copy_(part)


def _pairs(shapes: Tensor) -> list[tuple[int, int]]:
    return [(height, width) for height, width in shapes.tolist()]

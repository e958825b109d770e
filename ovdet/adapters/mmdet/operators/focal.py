"""The focal loss of a sigmoid (Lin 2017, Sec. 3), one value for every row and class.

Shapes: N rows, C classes; a target is a class, or C for none.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write the loss [N, C] into ``output``.

    Args:
        logits: [N, C].
        target: [N], int64, in [0, C].
        weight: [C], of the rows of each class, or empty for 1; rows without a class have 1.
        output: [N, C].
        gamma: How much less the easy ones count.
        alpha: Share of the positives.
    """
    output.copy_(_loss(logits, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor, gradient: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write each loss's derivative by its own logit, [N, C], into ``gradient``."""
    leaf = logits.detach().requires_grad_()
    with torch.enable_grad():
        total = _loss(leaf, target, weight, gamma, alpha).sum()
    gradient.copy_(torch.autograd.grad(total, leaf)[0])


def _loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    positive = F.one_hot(target, logits.shape[1] + 1)[:, :-1].bool()
    signed = torch.where(positive, wide, -wide)  # the logit of what is true
    share = torch.where(positive, alpha, 1 - alpha)
    loss = -share * (-signed).sigmoid() ** gamma * F.logsigmoid(signed)
    if weight.numel():
        loss = loss * F.pad(weight, (0, 1), value=1.0)[target][:, None]
    return loss

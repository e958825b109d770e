"""LAMB: Adam whose step is as long as the weights are, layer by layer, for very large batches.

You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020,
https://arxiv.org/abs/1904.00962, Algorithm 2.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Lamb(torch.optim.Optimizer):
    """Adam's direction with decoupled decay, scaled to the norm of each weight.

    Groups without decay (norms, biases, scales) take Adam's own step: their norm says nothing
    about how far they may go.

    Args:
        params: Parameters or groups of them.
        lr: Learning rate: the part of its norm by which a weight moves in a step.
        betas: Of the running means of gradient and squared gradient.
        eps: Added to the root of the latter.
        weight_decay: Added to the direction, as a part of the weight.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient.

        Raises:
            ValueError: If given a closure: the loss is not evaluated anew.
        """
        if closure is not None:
            raise ValueError("LAMB takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    direction = self._direction(parameter, group)
                    parameter.add_(direction, alpha=-group["lr"])

    def _direction(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = (torch.zeros_like(parameter) for _ in range(2))
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(parameter.grad, 1 - first)
        state["square"].mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        square = state["square"] / (1 - second ** state["step"])
        direction: Tensor = mean / (square.sqrt() + group["eps"])
        if group["weight_decay"] == 0:
            return direction
        direction += group["weight_decay"] * parameter
        weight, way = parameter.norm(), direction.norm()
        ratio = torch.where((weight > 0) & (way > 0), weight / way, torch.ones_like(weight))
        return direction * ratio

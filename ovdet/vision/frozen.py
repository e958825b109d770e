"""Frozen: a part that only looks."""

from typing import Any

import torch
from torch import nn


class Frozen(nn.Module):
    """Runs a module without gradients, always in evaluation mode.

    Args:
        module: Its parameters stop asking for gradients.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Frozen":  # noqa: ARG002, FBT001, FBT002 - torch's own
        """Stay in evaluation mode whatever ``mode`` asks."""
        self.training = False
        self.module.eval()
        return self

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        """Return what the module returns, without a graph."""
        return self.module(*inputs)

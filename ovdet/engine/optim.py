"""Optimizer, gradient clipping and the learning rate's course."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import (
    AmpOptimWrapper,
    CosineAnnealingLR,
    LinearLR,
    MultiStepLR,
    OptimWrapper,
)
from torch import nn

from ovdet.engine.lamb import Lamb
from ovdet.engine.settings import OptimSettings
from ovdet.structures import InputError


class Bfloat16Wrapper(OptimWrapper):  # type: ignore[misc]
    """Runs the model under autocast to bfloat16, whose range needs no loss scaling."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast for the forward pass on the model's device."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


def build_optimizer(model: nn.Module, settings: OptimSettings, *, amp: bool = False) -> Any:
    """Return the optimizer over all parameters that ask for gradients, in mmengine's wrapper.

    Raises:
        InputError: If nothing asks for gradients, or ``amp`` is wanted without a GPU.
    """
    learnt = [p for p in model.parameters() if p.requires_grad]
    if not learnt:
        raise InputError("the model has no parameter to learn")
    spared = [p for p in learnt if settings.no_decay_norm_bias and p.ndim < 2]
    decayed = [p for p in learnt if not (settings.no_decay_norm_bias and p.ndim < 2)]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer: torch.optim.Optimizer
    if settings.name == "SGD":
        optimizer = torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, fused=True)
    elif settings.name == "LAMB":
        optimizer = Lamb(groups, settings.lr, betas=settings.betas, eps=settings.eps)
    else:
        optimizer = torch.optim.AdamW(
            groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True
        )
    clip = None if settings.clip is None else {"max_norm": settings.clip}
    if settings.precision == "bfloat16":
        return Bfloat16Wrapper(optimizer, clip_grad=clip)
    if not amp:
        return OptimWrapper(optimizer, clip_grad=clip)
    if not torch.cuda.is_available():
        raise InputError("--amp needs a GPU, none was found")
    return AmpOptimWrapper(optimizer=optimizer, clip_grad=clip)


def build_schedulers(optimizer: Any, settings: OptimSettings, iters: int) -> list[Any]:
    """Return the schedulers that are stepped after each of ``iters`` steps."""
    warmup = min(settings.warmup, iters)
    schedulers: list[Any] = []
    if warmup:
        schedulers.append(
            LinearLR(optimizer, start_factor=1e-3, begin=0, end=warmup, by_epoch=False)
        )
    if settings.schedule == "cosine" and iters > warmup:
        schedulers.append(
            CosineAnnealingLR(
                optimizer,
                T_max=iters - warmup,
                eta_min_ratio=0.01,
                begin=warmup,
                end=iters,
                by_epoch=False,
            )
        )
    if settings.schedule == "steps":
        milestones = list(settings.milestones)
        schedulers.append(MultiStepLR(optimizer, milestones, by_epoch=False))
    return schedulers

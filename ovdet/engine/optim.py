"""Optimizer, gradient clipping and the learning rate's course."""

from collections.abc import Iterator, Mapping
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

    Parameters of a part whose rate is 0 ask for gradients no more.

    Raises:
        InputError: If nothing asks for gradients, ``rates`` names a part that has none, or ``amp``
            is wanted without a GPU.
    """
    groups = _groups(model, settings)
    if not groups:
        raise InputError("the model has no parameter to learn")
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


def _groups(model: nn.Module, settings: OptimSettings) -> list[dict[str, Any]]:
    """Return the optimizer's groups: one for each rate and decay, in the model's order."""
    used: set[str] = set()
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part = _part_of(name, settings.rates)
        used.add(part)
        rate = settings.rates.get(part, 1.0)
        if rate == 0:
            parameter.requires_grad = False
            continue
        spared = settings.no_decay_norm_bias and parameter.ndim < 2
        decay = 0.0 if spared else settings.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    if unused := sorted(set(settings.rates) - used):
        raise InputError(f"rates name {unused[0]!r}, but no parameter that learns begins so")
    return [
        {"params": group, "lr": settings.lr * rate, "weight_decay": decay}
        for (rate, decay), group in groups.items()
    ]


def _part_of(name: str, rates: Mapping[str, float]) -> str:
    """Return the longest of the ``rates``' keys that a parameter's name begins with, or ""."""
    starts = [part for part in rates if name == part or name.startswith(f"{part}.")]
    return max(starts, key=len, default="")


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

"""Late interaction of 128 images and texts, forward and backward (FILIP's tokens)."""

from collections.abc import Iterator
from typing import Any

import torch
from case import Case
from torch import Tensor

PAIRS, PATCHES, WORDS, WIDTH = 128, 49, 77, 256


def cases(device: str) -> Iterator[Case]:
    """Yield the op without and with its backward pass."""
    from ovdet.ops import token_max_sim, unit_norm

    generator = torch.Generator().manual_seed(0)
    patches, words = (
        unit_norm(torch.randn(PAIRS, count, WIDTH, generator=generator)).to(device)
        for count in (PATCHES, WORDS)
    )
    lengths = torch.randint(1, WORDS + 1, (PAIRS, 1), generator=generator)
    mask = (torch.arange(WORDS) < lengths).to(device)
    moved = 4 * (patches.numel() + words.numel() + 2 * PAIRS**2) + mask.numel()
    shape = f"{PAIRS} images of {PATCHES} patches, {PAIRS} texts of {WORDS} words, {WIDTH} wide"
    yield Case(
        op="token_max_sim",
        shape=shape,
        ours=lambda: token_max_sim(patches, words, word_mask=mask),
        others={"all products": lambda: by_formula(patches, words, word_mask=mask)},
        agree=agree,
        moved=moved,
    )
    leaves = [part.requires_grad_() for part in (patches, words)]
    yield Case(
        op="token_max_sim",
        shape="the same, forward and backward",
        ours=lambda: step(token_max_sim, leaves, mask),
        others={"all products": lambda: step(by_formula, leaves, mask)},
        agree=agree,
        moved=2 * moved,
    )


def by_formula(patches: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return both similarities from all products at once."""
    products = torch.einsum("bpd,ntd->bpnt", patches, words)
    s_image = products.masked_fill(~word_mask, -torch.inf).amax(dim=3).mean(dim=1)
    s_text = (products.amax(dim=1) * word_mask).sum(dim=2) / word_mask.sum(dim=1)
    return s_image, s_text


def step(compare: Any, leaves: list[Tensor], mask: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of the own pairs' similarities against all."""
    s_image, s_text = compare(*leaves, word_mask=mask)
    own = s_image.diagonal().sum() + s_text.diagonal().sum()
    return torch.autograd.grad(own - s_image.mean() - s_text.mean(), leaves)


def agree(ours: Any, other: Any) -> str | None:
    """Compare similarities or gradients, relative to the largest."""
    worst = max(
        float((mine - its).abs().max() / its.abs().max())
        for mine, its in zip(ours, other, strict=True)
    )
    return f"differs by {worst:.1e} of the largest" if worst > 1e-4 else None

"""Sets of vectors, compared by each vector's best partner (FILIP, Yao et al., ICLR 2022).

On a GPU a Triton kernel takes the maxima while it multiplies, so that the products are never
stored; elsewhere, and in float64, they are made for a few texts at a time.

Shapes: B images of P patches, N texts of T words, D width, n texts at a time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ovdet.ops.kernels import runs_triton

_AT_ONCE = 2**24  # similarities held at a time where no chunk is given: 64 MiB in float32
Four = tuple[Tensor, Tensor, Tensor, Tensor]


class Gains(NamedTuple):
    """What is known when the gradients of the means go back to the vectors.

    Attributes:
        for_image: [B, N], the gradient of the patches' means, 0 where nothing is real.
        for_text: [B, N], likewise of the words' means.
        patch_share: [B, P], the part each has in its mean.
        word_share: [N, T].
        word_of: [B, P, N], the best word of each patch.
        patch_of: [B, N, T], the best patch of each word.
    """

    for_image: Tensor
    for_text: Tensor
    patch_share: Tensor
    word_share: Tensor
    word_of: Tensor
    patch_of: Tensor


def token_max_sim(
    patches: Tensor,
    words: Tensor,
    patch_mask: Tensor | None = None,
    word_mask: Tensor | None = None,
    *,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Compare sets of vectors: each patch with its best word, and each word with its best patch.

    ``s_image[b, n]`` is the mean over the real patches of b of their largest dot product with a
    real word of n, ``s_text[b, n]`` the mean over the real words of n of their largest one with a
    real patch of b (FILIP, Eq. 3 to 5). For the backward pass only the B N (P + T) places of the
    maxima are kept, two bytes each up to 32,767 vectors a set. Of equal products one gets the
    gradient. It can be differentiated once.

    Args:
        patches: [B, P, D].
        words: [N, T, D].
        patch_mask: [B, P], True where a patch is real; None where all are.
        word_mask: [N, T], likewise.
        chunk: Texts compared at once, at least 1; None takes what fits 64 MiB of what is held.

    Returns:
        ``s_image`` and ``s_text``, both [B, N], float32 (float64 for float64): products of half
        precision would cost a similarity its third digit. Where a set has no real vector both
        are 0.

    Raises:
        ValueError: If the widths differ, a mask is not of its vectors' shape, or ``chunk`` < 1.
    """
    patch_mask = _checked(patches, patch_mask, "patch_mask")
    word_mask = _checked(words, word_mask, "word_mask")
    if patches.shape[2] != words.shape[2]:
        raise ValueError(
            f"patches and words must be of one width, got {patches.shape[2]} and {words.shape[2]}"
        )
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1 text, got {chunk}")
    kind = torch.promote_types(patches.dtype, words.dtype)
    shape = (len(patches), len(words))
    if 0 in (*shape, *patches.shape[1:], words.shape[1]):
        nothing = (patches.sum() + words.sum()).to(_wide(kind)) * 0  # still on the graph
        return nothing.expand(shape), nothing.expand(shape)
    s_image, s_text, *_ = _forward(
        patches.to(kind), words.to(kind), patch_mask, word_mask, chunk or 0
    )
    return s_image, s_text


def shares(vectors: Tensor, mask: Tensor | None) -> Tensor:
    """Return [N, T]: the part each vector has in its set's mean, 0 where it is not real."""
    if mask is None:
        return vectors.new_full(vectors.shape[:2], 1 / vectors.shape[1], dtype=_wide(vectors.dtype))
    return mask.to(_wide(vectors.dtype)) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def place_type(patches: Tensor, words: Tensor) -> torch.dtype:
    """Return the integers that number the vectors of a set."""
    return torch.int16 if max(patches.shape[1], words.shape[1]) < 2**15 else torch.int32


def _checked(vectors: Tensor, mask: Tensor | None, name: str) -> Tensor | None:
    if vectors.ndim != 3:
        raise ValueError(f"sets of vectors must be [N, T, D], got {list(vectors.shape)}")
    if mask is not None and mask.shape != vectors.shape[:2]:
        raise ValueError(
            f"{name} must be {list(vectors.shape[:2])} as its vectors, got {list(mask.shape)}"
        )
    return mask


def _wide(kind: torch.dtype) -> torch.dtype:
    return torch.promote_types(kind, torch.float32)


def _takes_kernel(vectors: Tensor) -> bool:
    return vectors.dtype is not torch.float64 and runs_triton(vectors)


@torch.library.custom_op("ovdet::token_max_sim", mutates_args=())
def _forward(
    patches: Tensor,
    words: Tensor,
    patch_mask: Tensor | None,
    word_mask: Tensor | None,
    chunk: int,
) -> Four:
    """Return both means [B, N] and the places: words [B, P, N], patches [B, N, T]."""
    if _takes_kernel(patches):
        from ovdet.ops.kernels.token_max_sim import ROWS, find_best

        blocks = -(-patches.shape[1] // ROWS)
        held = patches.shape[0] * blocks * words.shape[1]
    else:
        find_best = _find_best
        held = patches.shape[0] * patches.shape[1] * words.shape[1]
    parts = [
        find_best(patches, words[rows], patch_mask, None if word_mask is None else word_mask[rows])
        for rows in _chunks(words, chunk or max(1, _AT_ONCE // held))
    ]
    s_image, s_text, word_of, patch_of = (
        torch.cat(part, dim=axis)
        for part, axis in zip(zip(*parts, strict=True), (1, 1, 2, 1), strict=True)
    )
    return s_image, s_text, word_of, patch_of


@_forward.register_fake
def _(patches: Tensor, words: Tensor, *_how: Any) -> Four:
    batch, first, _ = patches.shape
    texts, second, _ = words.shape
    means = [patches.new_empty(batch, texts, dtype=_wide(patches.dtype)) for _ in range(2)]
    kept = place_type(patches, words)
    word_of = patches.new_empty(batch, first, texts, dtype=kept)
    patch_of = patches.new_empty(batch, texts, second, dtype=kept)
    return means[0], means[1], word_of, patch_of


@torch.library.custom_op("ovdet::token_max_sim_backward", mutates_args=())
def _backward(
    gradients: Sequence[Tensor],
    patches: Tensor,
    words: Tensor,
    patch_mask: Tensor | None,
    word_mask: Tensor | None,
    places: Sequence[Tensor],
    chunk: int,
    needed: Sequence[bool],
) -> list[Tensor]:
    """Return the gradients of patches and words, those that are needed."""
    patch_share, word_share = shares(patches, patch_mask), shares(words, word_mask)
    for_image = gradients[0] * (word_share > 0).any(dim=1)  # without words there was no maximum
    for_text = gradients[1] * (patch_share > 0).any(dim=1)[:, None]
    gains = Gains(for_image, for_text, patch_share, word_share, *places)
    if _takes_kernel(patches):
        from ovdet.ops.kernels.token_max_sim import spread_best

        return spread_best(patches, words, gains, needed)
    chunk = chunk or max(1, _AT_ONCE // (patches[..., 0].numel() * words.shape[1]))
    return _spread_best(patches, words, gains, chunk, needed)


@_backward.register_fake
def _(_gradients: Any, patches: Tensor, words: Tensor, *how: Any) -> list[Tensor]:
    both = zip((patches, words), how[-1], strict=True)
    return [vectors.new_empty(vectors.shape) for vectors, wanted in both if wanted]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Four) -> None:
    *given, ctx.chunk = inputs
    ctx.save_for_backward(*given, *output[2:])


def _differentiate(ctx: Any, for_image: Tensor, for_text: Tensor, *_places: Any) -> tuple[Any, ...]:
    *given, word_of, patch_of = ctx.saved_tensors
    needed = list(ctx.needs_input_grad[:2])
    found = iter(_backward([for_image, for_text], *given, [word_of, patch_of], ctx.chunk, needed))
    return *(next(found) if wanted else None for wanted in needed), None, None, None


_forward.register_autograd(_differentiate, setup_context=_keep)


def _chunks(words: Tensor, chunk: int) -> list[slice]:
    return [slice(start, start + chunk) for start in range(0, len(words), chunk)]


def _find_best(
    patches: Tensor, words: Tensor, patch_mask: Tensor | None, word_mask: Tensor | None
) -> Four:
    """Return both means [B, n], and the places: words [B, P, n], patches [B, n, T]."""
    products = _products(patches, words, patch_mask, word_mask)
    kept = place_type(patches, words)
    by_patch, word_of = products.max(dim=3)  # [B, P, n]
    by_word, patch_of = products.max(dim=1)  # [B, n, T]
    for best in (by_patch, by_word):
        best.masked_fill_(best == -torch.inf, 0)  # where nothing is real
    s_image = (by_patch * shares(patches, patch_mask)[:, :, None]).sum(dim=1)
    s_text = (by_word * shares(words, word_mask)).sum(dim=2)
    return s_image, s_text, word_of.to(kept), patch_of.to(kept)


def _products(
    patches: Tensor, words: Tensor, patch_mask: Tensor | None, word_mask: Tensor | None
) -> Tensor:
    """Return [B, P, n, T], minus infinity where one of both is not real."""
    wide = _wide(patches.dtype)
    with torch.autocast(patches.device.type, enabled=False):  # one product of matrices
        products = patches.to(wide).flatten(0, 1) @ words.to(wide).flatten(0, 1).T
    products = products.view(*patches.shape[:2], *words.shape[:2])
    if patch_mask is not None:
        products.masked_fill_(~patch_mask[:, :, None, None], -torch.inf)
    if word_mask is not None:
        products.masked_fill_(~word_mask, -torch.inf)
    return products


def _spread_best(
    patches: Tensor, words: Tensor, gains: Gains, chunk: int, needed: Sequence[bool]
) -> list[Tensor]:
    """Return the gradients of patches and words, those that are needed."""
    wide = _wide(patches.dtype)
    sums = [torch.zeros(x.shape, dtype=wide, device=x.device) for x in (patches, words)]
    near = patches.to(wide).flatten(0, 1)
    for rows in _chunks(words, chunk):
        by_patch = gains.for_image[:, None, rows] * gains.patch_share[:, :, None]  # [B, P, n]
        by_word = gains.for_text[:, rows, None] * gains.word_share[rows]  # [B, n, T]
        weights = near.new_zeros(*by_patch.shape, words.shape[1])  # [B, P, n, T]
        weights.scatter_(3, gains.word_of[:, :, rows, None].long(), by_patch[..., None])
        weights.scatter_add_(1, gains.patch_of[:, None, rows].long(), by_word[:, None])
        flat = weights.flatten(2).flatten(0, 1)  # [B P, n T]
        with torch.autocast(patches.device.type, enabled=False):
            if needed[0]:
                sums[0] += (flat @ words[rows].to(wide).flatten(0, 1)).view_as(patches)
            if needed[1]:
                sums[1][rows] = (flat.T @ near).view_as(words[rows])
    return [total.to(patches.dtype) for total, wanted in zip(sums, needed, strict=True) if wanted]

"""Embeddings on the unit sphere, and sets of them. No state."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ovdet.structures import Tokens

_AT_ONCE = 2**24  # similarities held at a time where no chunk is given: 64 MiB in float32


def unit_norm(embeddings: Tensor) -> Tensor:
    """Scale the last axis to length 1; a zero vector stays zero.

    Args:
        embeddings: [..., D].

    Returns:
        [..., D].
    """
    return F.normalize(embeddings, dim=-1, eps=1e-6)


def cosine_logits(embeddings: Tensor, classes: Tensor, scale: float | Tensor) -> Tensor:
    """Return ``scale`` times the cosine of every embedding with every class.

    Args:
        embeddings: [R, D], unit norm.
        classes: [C, D], unit norm.
        scale: Inverse temperature.

    Returns:
        [R, C].
    """
    return scale * embeddings @ classes.T


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
    real patch of b (FILIP, Yao 2022, Eq. 3 to 5). The B N P T products are made for a few texts at
    a time; for the backward pass only the B N (P + T) places of the maxima are kept, two bytes
    each up to 32,767 vectors a set. Of equal products one gets the gradient.

    Args:
        patches: [B, P, D].
        words: [N, T, D].
        patch_mask: [B, P], True where a patch is real; None where all are.
        word_mask: [N, T], likewise.
        chunk: Texts compared at once, at least 1; None takes what fits 64 MiB of products.

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
    wide = torch.promote_types(torch.promote_types(patches.dtype, words.dtype), torch.float32)
    shape = (len(patches), len(words))
    if 0 in (*shape, patches.shape[1], words.shape[1]):
        nothing = (patches.sum() + words.sum()).to(wide) * 0  # still on the graph
        return nothing.expand(shape), nothing.expand(shape)
    chunk = chunk or max(1, _AT_ONCE // (patches.shape[0] * patches.shape[1] * words.shape[1]))
    with torch.autocast(patches.device.type, enabled=False):
        both: tuple[Tensor, Tensor] = _TokenMaxSim.apply(  # type: ignore[no-untyped-call]
            patches.to(wide), words.to(wide), patch_mask, word_mask, chunk
        )
    return both


def compare(queries: Tensor | Tokens, targets: Tensor | Tokens) -> Tensor:
    """Return how much each of A queries finds in each of N targets, [A, N].

    Args:
        queries: [A, D], or A sets of vectors.
        targets: [N, D], or N sets; of the same kind as the queries.

    Returns:
        Dot products; of sets the mean over a query's vectors of their best dot product with one of
        the target's, which is another number when both change places.

    Raises:
        TypeError: If one side is vectors and the other sets.
    """
    if isinstance(queries, Tokens) and isinstance(targets, Tokens):
        return token_max_sim(queries.vectors, targets.vectors, queries.mask, targets.mask)[0]
    if isinstance(queries, Tokens) or isinstance(targets, Tokens):
        kinds = [type(one).__name__ for one in (queries, targets)]
        raise TypeError(f"queries and targets must be of one kind, got {kinds}")
    return queries @ targets.T


def _checked(vectors: Tensor, mask: Tensor | None, name: str) -> Tensor | None:
    if vectors.ndim != 3:
        raise ValueError(f"sets of vectors must be [N, T, D], got {list(vectors.shape)}")
    if mask is not None and mask.shape != vectors.shape[:2]:
        raise ValueError(
            f"{name} must be {list(vectors.shape[:2])} as its vectors, got {list(mask.shape)}"
        )
    return mask


class _TokenMaxSim(torch.autograd.Function):
    """Means of maxima in both directions; what is kept are the places of the maxima."""

    @staticmethod
    def forward(
        ctx: Any,
        patches: Tensor,
        words: Tensor,
        patch_mask: Tensor | None,
        word_mask: Tensor | None,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        patch_share, word_share = _shares(patches, patch_mask), _shares(words, word_mask)
        parts = []
        for rows in _chunks(words, chunk):
            real = None if word_mask is None else word_mask[rows]
            products = _products(patches, words[rows], patch_mask, real)
            parts.append(_means_of_best(products, patch_share, word_share[rows]))
        s_image, s_text, patch_of, word_of = (
            torch.cat(part, dim=axis)
            for part, axis in zip(zip(*parts, strict=True), (1, 1, 1, 2), strict=True)
        )
        ctx.save_for_backward(patches, words, patch_share, word_share, patch_of, word_of)
        ctx.chunk = chunk
        return s_image, s_text

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, for_image: Tensor, for_text: Tensor) -> tuple[Tensor | None, ...]:
        patches, words, patch_share, word_share, patch_of, word_of = ctx.saved_tensors
        for_image = for_image * (word_share > 0).any(dim=1)  # without words there was no maximum
        for_text = for_text * (patch_share > 0).any(dim=1)[:, None]
        to_patches, to_words = (
            torch.zeros_like(x) if needed else None
            for x, needed in zip((patches, words), ctx.needs_input_grad[:2], strict=True)
        )
        for rows in _chunks(words, ctx.chunk):
            by_patch = for_image[:, None, rows] * patch_share[:, :, None]  # [B, P, n]
            by_word = for_text[:, rows, None] * word_share[rows]  # [B, n, T]
            weights = patches.new_zeros(*by_patch.shape, words.shape[1])  # [B, P, n, T]
            weights.scatter_(3, word_of[:, :, rows, None].long(), by_patch[..., None])
            weights.scatter_add_(1, patch_of[:, None, rows].long(), by_word[:, None])
            flat = weights.flatten(2).flatten(0, 1)  # [B P, n T]
            with torch.autocast(patches.device.type, enabled=False):
                if to_patches is not None:
                    to_patches += (flat @ words[rows].flatten(0, 1)).view_as(patches)
                if to_words is not None:
                    to_words[rows] = (flat.T @ patches.flatten(0, 1)).view_as(words[rows])
        return to_patches, to_words, None, None, None


def _chunks(words: Tensor, chunk: int) -> list[slice]:
    return [slice(start, start + chunk) for start in range(0, len(words), chunk)]


def _shares(vectors: Tensor, mask: Tensor | None) -> Tensor:
    """Return [N, T]: the part each vector has in its set's mean, 0 where it is not real."""
    if mask is None:
        return vectors.new_full(vectors.shape[:2], 1 / vectors.shape[1])
    return mask.to(vectors.dtype) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _products(
    patches: Tensor, words: Tensor, patch_mask: Tensor | None, word_mask: Tensor | None
) -> Tensor:
    """Return [B, P, n, T], minus infinity where one of both is not real."""
    products = patches.flatten(0, 1) @ words.flatten(0, 1).T  # one product of matrices
    products = products.view(*patches.shape[:2], *words.shape[:2])
    if patch_mask is not None:
        products.masked_fill_(~patch_mask[:, :, None, None], -torch.inf)
    if word_mask is not None:
        products.masked_fill_(~word_mask, -torch.inf)
    return products


def _means_of_best(products: Tensor, patch_share: Tensor, word_share: Tensor) -> list[Tensor]:
    """Return both means [B, n], and the places: patches [B, n, T], words [B, P, n]."""
    kept = torch.int16 if max(products.shape[1], products.shape[3]) < 2**15 else torch.int32
    by_patch, word_of = products.max(dim=3)  # [B, P, n]
    by_word, patch_of = products.max(dim=1)  # [B, n, T]
    for best in (by_patch, by_word):
        best.masked_fill_(best == -torch.inf, 0)  # where nothing is real
    s_image = (by_patch * patch_share[:, :, None]).sum(dim=1)
    s_text = (by_word * word_share).sum(dim=2)
    return [s_image, s_text, patch_of.to(kept), word_of.to(kept)]

import pytest
import torch
from kernels import DEVICE

from ovdet.ops.token_max_sim import (
    Gains,
    _backward,
    _find_best,
    _forward,
    _spread_best,
    shares,
    token_max_sim,
)


def sets(count, length, dim, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, length, dim, generator=generator).to(DEVICE)


def some(count, length, seed):
    """Return [N, T] in which some vectors are real, of one set none."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(count, length, generator=generator) > 0.4
    mask[-1] = False
    return mask.to(DEVICE)


def results(patches, words, *masks, chunk=None):
    """Return both means and the gradients of a weighted sum that tells all entries apart."""
    leaves = [x.detach().clone().requires_grad_() for x in (patches, words)]
    means = token_max_sim(*leaves, *masks, chunk=chunk)
    tell = torch.arange(1.0, 1 + means[0].numel(), device=DEVICE).view_as(means[0])
    (means[0] * tell.sin() + means[1] * tell.cos()).sum().backward()
    return *means, *(leaf.grad for leaf in leaves)


SIZES = {
    "small": (3, 5, 4, 7, 6),
    "more than a block of patches": (2, 70, 2, 3, 33),
    "more than a block of words": (1, 3, 3, 80, 5),
    "one of each": (1, 1, 1, 1, 1),
}


@pytest.mark.parametrize("masked", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_as_in_float64(size, masked):
    batch, first, texts, second, dim = size
    patches, words = sets(batch, first, dim, 0), sets(texts, second, dim, 1)
    masks = [some(batch, first, 2), some(texts, second, 3)]
    masks = [mask if wanted else None for mask, wanted in zip(masks, masked, strict=True)]
    expected = results(patches.double(), words.double(), *masks)  # which takes the reference
    for mine, its in zip(results(patches, words, *masks), expected, strict=True):
        torch.testing.assert_close(mine, its.float(), rtol=1e-4, atol=1e-4)


def test_places_and_gradients_are_those_of_the_reference():
    from ovdet.ops.kernels import token_max_sim as kernel

    patches, words = sets(2, 70, 6, 0), sets(3, 66, 6, 1)
    masks = some(2, 70, 2), some(3, 66, 3)
    mine, its = (f(patches, words, *masks) for f in (kernel.find_best, _find_best))
    for part, other in zip(mine, its, strict=True):
        assert part.dtype is other.dtype
        torch.testing.assert_close(part, other)
    gradients = sets(2, 2, 3, 4).unbind(1)
    known = Gains(*gradients, shares(patches, masks[0]), shares(words, masks[1]), *its[2:])
    expected = _spread_best(patches, words, known, 2, [True, True])
    both = kernel.spread_best(patches, words, known, [True, True])
    torch.testing.assert_close(both, expected)
    torch.testing.assert_close(
        kernel.spread_best(patches, words, known, [False, True]), expected[1:]
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_full(dtype):
    patches, words = sets(2, 5, 6, 0).to(dtype), sets(3, 4, 6, 1).to(dtype)
    mine, its = results(patches, words), results(patches.float(), words.float())
    assert [x.dtype for x in mine] == [torch.float32, torch.float32, dtype, dtype]
    torch.testing.assert_close(mine[:2], its[:2])
    exact = torch.finfo(dtype).eps
    for part, other in zip(mine[2:], its[2:], strict=True):
        torch.testing.assert_close(part.float(), other, rtol=exact, atol=exact)


def test_parts_and_places_in_memory_change_nothing():
    patches, words = sets(2, 5, 6, 0), sets(5, 4, 6, 1)
    expected = results(patches, words, some(2, 5, 2), some(5, 4, 3))
    turned = [x.mT.contiguous().mT for x in (patches, words)]
    masks = [x.T.contiguous().T for x in (some(2, 5, 2), some(5, 4, 3))]
    torch.testing.assert_close(results(*turned, *masks, chunk=2), expected)


def test_of_equal_products_one_gets_the_gradient():
    same = torch.ones(1, 3, 2, device=DEVICE)
    *_, to_patches, to_words = results(same, same)
    total = torch.tensor(1.0, device=DEVICE).sin() + torch.tensor(1.0, device=DEVICE).cos()
    torch.testing.assert_close(to_patches.sum(dim=1), total.expand(1, 2))
    torch.testing.assert_close(to_words.sum(dim=1), total.expand(1, 2))


@pytest.mark.parametrize("masked", [False, True])
def test_both_ops_are_whole(masked):
    patches, words = (x.requires_grad_() for x in (sets(2, 3, 4, 0), sets(3, 2, 4, 1)))
    masks = (some(2, 3, 2), some(3, 2, 3)) if masked else (None, None)
    torch.library.opcheck(_forward, (patches, words, *masks, 0))
    with torch.no_grad():
        *means, word_of, patch_of = _forward(patches, words, *masks, 0)
    parts = [x.detach() for x in (patches, words)]
    given = (means, *parts, *masks, [word_of, patch_of], 0)
    for needed in ([True, True], [True, False]):
        torch.library.opcheck(_backward, (*given, needed))

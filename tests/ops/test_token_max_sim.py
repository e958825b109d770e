import pytest
import torch

from ovdet.ops import token_max_sim, unit_norm


def sets(count, length, dim=6, *, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return unit_norm(torch.randn(count, length, dim, generator=generator, dtype=dtype))


def first_real(count, length, seed=0):
    """Return [N, T], True for the first one or more vectors of each set."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (count, 1), generator=generator)
    return torch.arange(length) < lengths


def direct(patches, words, patch_mask=None, word_mask=None):
    """Both means as the paper writes them, all products at once."""
    patch_mask = torch.ones(patches.shape[:2]).bool() if patch_mask is None else patch_mask
    word_mask = torch.ones(words.shape[:2]).bool() if word_mask is None else word_mask
    products = torch.einsum("bpd,ntd->bnpt", patches, words)
    best_word = products.masked_fill(~word_mask[None, :, None], -9).max(dim=3).values
    best_patch = products.masked_fill(~patch_mask[:, None, :, None], -9).max(dim=2).values
    s_image = (best_word * patch_mask[:, None]).sum(dim=2) / patch_mask.sum(dim=1)[:, None]
    s_text = (best_patch * word_mask[None]).sum(dim=2) / word_mask.sum(dim=1)
    return s_image, s_text


def gradients(function, patches, words, *masks):
    """Return both matrices and the gradients of a weighted sum that tells all entries apart."""
    patches, words = (x.detach().clone().requires_grad_() for x in (patches, words))
    both = function(patches, words, *masks)
    weights = torch.arange(1.0, 1 + both[0].numel(), dtype=both[0].dtype).view_as(both[0])
    (both[0] * weights + both[1] * weights.flip(0).cos()).sum().backward()
    return *both, patches.grad, words.grad


MASKS = [
    (None, None),
    (None, first_real(4, 7)),
    (first_real(3, 5), None),
    (first_real(3, 5), first_real(4, 7)),
]


@pytest.mark.parametrize("masks", MASKS)
def test_maxima_and_gradients_are_those_of_the_formula(masks):
    patches, words = sets(3, 5), sets(4, 7, seed=1)
    given = gradients(token_max_sim, patches, words, *masks)
    torch.testing.assert_close(given, gradients(direct, patches, words, *masks))


def test_both_means_by_hand():
    patches = torch.tensor([[[1.0, 0], [0, 1]]])
    words = torch.tensor([[[1.0, 0], [0.6, 0.8], [-1, 0]]])
    s_image, s_text = token_max_sim(patches, words)
    # Patch (1, 0) finds word (1, 0), patch (0, 1) finds 0.8. The words find 1, 0.8 and 0.
    assert s_image.item() == pytest.approx((1 + 0.8) / 2)
    assert s_text.item() == pytest.approx((1 + 0.8 + 0) / 3)


@pytest.mark.parametrize("masks", MASKS)
def test_the_gradients_are_those_of_differences(masks):
    patches, words = (x.requires_grad_() for x in (sets(3, 5, 3), sets(4, 7, 3, seed=1)))
    compare = lambda v, t: token_max_sim(v, t, *masks, chunk=3)  # noqa: E731
    assert torch.autograd.gradcheck(compare, (patches, words))


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 99])
def test_chunks_change_nothing(chunk):
    patches, words, masks = sets(3, 5), sets(4, 7, seed=1), MASKS[3]
    in_parts = lambda *given: token_max_sim(*given, chunk=chunk)  # noqa: E731
    whole = gradients(token_max_sim, patches, words, *masks)
    torch.testing.assert_close(gradients(in_parts, patches, words, *masks), whole)


def test_of_equal_products_one_gets_the_gradient():
    same = torch.ones(1, 3, 2, dtype=torch.float64) / 2**0.5
    s_image, s_text, to_patches, to_words = gradients(token_max_sim, same, same)
    torch.testing.assert_close((s_image, s_text), (torch.ones_like(s_image),) * 2)
    # weights 1 and cos(1): each of 3 words gives a third to a patch, each patch to a word
    total = (1 + torch.tensor(1.0, dtype=torch.float64).cos()) * 2**-0.5
    torch.testing.assert_close(to_patches.sum(dim=1), total.expand(1, 2))
    torch.testing.assert_close(to_words.sum(dim=1), total.expand(1, 2))


def test_what_is_not_real_gets_no_gradient_and_may_be_anything():
    patches, words = sets(3, 5), sets(4, 7, seed=1)
    expected = gradients(token_max_sim, patches, words, *MASKS[3])
    patches, words = patches.clone(), words.clone()
    patches[~MASKS[3][0]], words[~MASKS[3][1]] = 1e4, 1e4
    given = gradients(token_max_sim, patches, words, *MASKS[3])
    torch.testing.assert_close(given, expected)
    assert not given[2][~MASKS[3][0]].any()
    assert not given[3][~MASKS[3][1]].any()


def test_a_set_of_nothing_is_like_nothing():
    patches, words = sets(3, 5), sets(4, 7, seed=1)
    some, others = torch.ones(3, 5).bool(), torch.ones(4, 7).bool()
    some[1], others[2] = False, False
    s_image, s_text, to_patches, to_words = gradients(token_max_sim, patches, words, some, others)
    for similarity in (s_image, s_text):
        assert not similarity[1].any()
        assert not similarity[:, 2].any()
        assert torch.count_nonzero(similarity) == 6
    assert not to_patches[1].any()
    assert not to_words[2].any()
    assert to_patches[[0, 2]].any()
    assert torch.isfinite(to_patches).all()


@pytest.mark.parametrize("shapes", [(0, 5, 4, 7), (3, 0, 4, 7), (3, 5, 0, 7), (3, 5, 4, 0)])
def test_no_patch_no_word(shapes):
    patches = torch.zeros(*shapes[:2], 6, requires_grad=True)
    words = torch.zeros(*shapes[2:], 6, requires_grad=True)
    both = token_max_sim(patches, words)
    assert [list(one.shape) for one in both] == [[shapes[0], shapes[2]]] * 2
    sum(one.sum() for one in both).backward()
    assert patches.grad is not None
    assert words.grad is not None
    assert not any(one.any() for one in both)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_full(dtype):
    patches, words = sets(3, 5, dtype=dtype), sets(4, 7, seed=1, dtype=dtype)
    exact = direct(patches.float(), words.float())
    with torch.autocast("cpu", torch.bfloat16):
        given = gradients(token_max_sim, patches, words)
    torch.testing.assert_close(given[:2], exact)
    assert given[0].dtype is torch.float32
    assert given[2].dtype is given[3].dtype is dtype
    wanted = gradients(direct, patches.float(), words.float())
    torch.testing.assert_close(given[2].float(), wanted[2], atol=0.05, rtol=0.01)


def test_only_the_places_of_the_maxima_are_kept():
    patches, words = (x.requires_grad_() for x in (sets(8, 16), sets(9, 12, seed=1)))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        s_image, s_text = token_max_sim(patches, words, chunk=2)
        (s_image.sum() + s_text.sum()).backward()
    places = [x for x in kept if x.ndim == 3 and not x.is_floating_point()]
    assert sorted(x.numel() for x in places) == [8 * 9 * 12, 8 * 9 * 16]
    assert all(x.element_size() == 2 for x in places)
    assert max(x.numel() for x in kept) < 8 * 9 * 12 * 16 / 5
    assert patches.grad.any()


def test_a_frozen_side_costs_no_gradient():
    patches, words = sets(3, 5).requires_grad_(), sets(4, 7, seed=1)
    sum(one.sum() for one in token_max_sim(patches, words)).backward()
    expected = sets(3, 5).requires_grad_()
    sum(one.sum() for one in direct(expected, words)).backward()
    torch.testing.assert_close(patches.grad, expected.grad)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"words": torch.zeros(4, 7, 5)}, "one width, got 6 and 5"),
        ({"words": torch.zeros(4, 6)}, r"\[N, T, D\], got \[4, 6\]"),
        ({"word_mask": torch.ones(4, 5).bool()}, r"word_mask must be \[4, 7\] .* got \[4, 5\]"),
        ({"patch_mask": torch.ones(3, 4).bool()}, "patch_mask must be"),
        ({"chunk": 0}, "at least 1 text, got 0"),
    ],
)
def test_bad_sets(given, message):
    with pytest.raises(ValueError, match=message):
        token_max_sim(**{"patches": torch.zeros(3, 5, 6), "words": torch.zeros(4, 7, 6)} | given)

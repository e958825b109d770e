import pytest
import torch

from ovdet.structures import InputError, Tokens


def some(count, length, real=None):
    vectors = torch.arange(1.0, 1 + count * length * 2).view(count, length, 2)
    return Tokens(
        vectors, None if real is None else torch.arange(length) < torch.tensor(real)[:, None]
    )


def test_sets_are_picked_with_their_masks():
    tokens = some(3, 4, [1, 2, 4])
    for index in (slice(1, 3), torch.tensor([1, 2]), torch.tensor([False, True, True])):
        picked = tokens[index]
        assert len(picked) == 2
        assert torch.equal(picked.vectors, tokens.vectors[1:])
        assert picked.mask.sum(dim=1).tolist() == [2, 4]
    assert some(3, 4)[1:].mask is None


def test_sets_of_several_lengths_become_one_record():
    joined = Tokens.cat([some(1, 2), some(2, 4, [3, 1])])
    assert joined.vectors.shape == (3, 4, 2)
    assert joined.mask.sum(dim=1).tolist() == [2, 3, 1]
    assert torch.equal(joined[:1].vectors[0, :2], some(1, 2).vectors[0])
    assert not joined.vectors[0, 2:].any()
    assert Tokens.cat([some(1, 2), some(2, 2)]).mask is None


def test_no_mask_says_that_all_are_real():
    assert some(2, 3).real.all()
    assert some(2, 3).real.shape == (2, 3)
    assert some(2, 3, [0, 2]).real.sum() == 2


def test_sets_are_split():
    tokens = some(3, 4, [1, 2, 4])
    first, rest = tokens.split([1, 2])
    assert torch.equal(first.vectors, tokens.vectors[:1])
    assert rest.mask.sum(dim=1).tolist() == [2, 4]
    assert [len(part) for part in some(3, 4).split([2, 1])] == [2, 1]


def test_types_and_devices():
    half = some(2, 3, [1, 2]).to(torch.float16)
    assert half.vectors.dtype is torch.float16
    assert half.mask.dtype is torch.bool
    moved = some(2, 3, [1, 2]).to("meta")
    assert moved.vectors.device.type == moved.mask.device.type == "meta"


def test_bad_shapes():
    with pytest.raises(InputError, match=r"\[N, T, D\], got \[2, 3\]"):
        Tokens(torch.zeros(2, 3))
    with pytest.raises(InputError, match=r"mask must be \[2, 3\] as the vectors, got \[2, 4\]"):
        Tokens(torch.zeros(2, 3, 5), torch.ones(2, 4).bool())

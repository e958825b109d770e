import pytest
import torch

from ovdet.ops.best import best_places


def by_sort(values, count, floor=-torch.inf):
    order = values.argsort(descending=True, stable=True)
    return order[values[order] > floor][:count]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("length", [0, 1, 31, 33, 5000, 70001])
@pytest.mark.parametrize("count", [0, 1, 60])
def test_as_a_stable_sort_has_them(dtype, length, count):
    values = torch.randn(length, generator=torch.Generator().manual_seed(length)).to(dtype)
    assert torch.equal(best_places(values, count), by_sort(values, count))
    assert torch.equal(best_places(values, count, 0.5), by_sort(values, count, 0.5))


def test_ties_come_in_their_order():
    values = torch.randint(0, 5, (9000,), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(best_places(values, 40), by_sort(values, 40))
    assert best_places(torch.ones(8000), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("length", [40, 8000])
def test_nan_is_never_among_the_best(length):
    values = torch.arange(length).float()
    values[-1], values[3] = torch.nan, torch.nan
    assert best_places(values, 2).tolist() == [length - 2, length - 3]


def test_what_is_not_contiguous():
    values = torch.randn(9000, 2, generator=torch.Generator().manual_seed(0))[:, 1]
    assert torch.equal(best_places(values, 5), by_sort(values, 5))

"""The best of many maps, a few at a time, against all of them at once."""

import pytest
import torch
import torch.nn.functional as F

from ovdet.ops import best_map, label_maps


@pytest.fixture(params=[2**22, 1, 3 * 8 * 13])
def at_once(request, monkeypatch):
    monkeypatch.setattr(label_maps, "_AT_ONCE", request.param)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_as_all_at_once(dtype):
    torch.manual_seed(0)
    maps = torch.randn(8, 5, 4, dtype=dtype)
    everything = F.interpolate(maps[None], (11, 13), mode="bilinear", align_corners=False)[0]
    index, best, total = best_map(maps, (11, 13), totals=True)
    assert index.dtype == torch.int64
    assert torch.equal(index, everything.argmax(dim=0))
    torch.testing.assert_close(best, everything.amax(dim=0))
    torch.testing.assert_close(total, everything.logsumexp(dim=0))
    assert best_map(maps, (11, 13))[2] is None


@pytest.mark.usefixtures("at_once")
def test_of_equal_ones_the_first_wins():
    index, best, _ = best_map(torch.full((4, 2, 2), -3.0), (11, 13))
    assert torch.equal(index, torch.zeros(11, 13, dtype=torch.int64))
    assert (best == -3).all()


def test_one_map_is_certain():
    _, best, total = best_map(torch.randn(1, 2, 2), (3, 3), totals=True)
    torch.testing.assert_close((best - total).exp(), torch.ones(3, 3))

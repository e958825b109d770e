import pytest
import torch

from ovdet.heads import RoiEmbedder
from ovdet.heads.embed import MobileNetEmbedder
from ovdet.structures import Regions


def regions(count=3):
    boxes = torch.tensor([[0.0, 0, 20, 20], [8, 4, 60, 60], [30, 30, 40, 36]])[:count]
    return Regions(boxes, torch.tensor([0, 1, 1])[:count])


def roi():
    return RoiEmbedder(8, 16, hidden=12, size=7), [torch.rand(2, 8, 16, 16), torch.rand(2, 8, 8, 8)]


def mobile():
    levels = [torch.rand(2, 8, 16, 16), torch.rand(2, 8, 8, 8), torch.rand(2, 32, 8, 8)]
    return MobileNetEmbedder(16, size=8), levels


@pytest.fixture(params=[roi, mobile], ids=["roi", "mobile"])
def part(request):
    torch.manual_seed(0)
    embedder, levels = request.param()
    return embedder.eval(), levels


def test_unit_norm(part):
    embedder, levels = part
    embeddings = embedder(levels, regions(), 64)
    assert embeddings.shape == (3, 16)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("mode", [True, False])
def test_no_region(part, mode):
    embedder, levels = part
    assert embedder.train(mode)(levels, Regions.empty(), 64).shape == (0, 16)


def test_two_linear_maps_by_hand():
    torch.manual_seed(0)
    embedder = RoiEmbedder(8, 16, hidden=12, convs=0, size=1, samples=1, linears=2).eval()
    levels = [torch.rand(1, 8, 1, 1)]
    whole = Regions(torch.tensor([[0.0, 0, 64, 64]]), torch.tensor([0]))
    first, second = embedder.linear[0], embedder.linear[2]
    expected = second(first(levels[0].flatten(1)).relu()).relu()
    torch.testing.assert_close(embedder.hidden(levels, whole, 64), expected)


def test_one_region_while_training(part):
    embedder, levels = part
    assert embedder.train()(levels, regions(1), 64).shape == (1, 16)


def test_a_region_does_not_depend_on_its_company(part):
    embedder, levels = part
    together = embedder(levels, regions(), 64)
    alone = embedder(levels, regions()[torch.tensor([1])], 64)
    torch.testing.assert_close(together[1], alone[0], rtol=1e-4, atol=1e-5)


def test_the_two_steps_are_the_whole(part):
    embedder, levels = part
    hidden = embedder.hidden(levels, regions(), 64)
    torch.testing.assert_close(embedder.embed(hidden), embedder(levels, regions(), 64))


def test_double_precision():
    embedder, levels = roi()
    doubled = embedder.double().eval()([level.double() for level in levels], regions(), 64)
    assert doubled.dtype == torch.float64

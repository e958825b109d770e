import pytest
import torch

from ovdet.heads import RoiEmbedder
from ovdet.heads.embed import MobileNetEmbedder, TowerEmbedder
from ovdet.structures import Regions
from ovdet.vision import SmallImageEncoder, SmallTrunk, WeightedPool


def regions(count=3):
    boxes = torch.tensor([[0.0, 0, 20, 20], [8, 4, 60, 60], [30, 30, 40, 36]])[:count]
    return Regions(boxes, torch.tensor([0, 1, 1])[:count])


def roi():
    return RoiEmbedder(8, 16, hidden=12, size=7), [torch.rand(2, 8, 16, 16), torch.rand(2, 8, 8, 8)]


def mobile():
    levels = [torch.rand(2, 8, 16, 16), torch.rand(2, 8, 8, 8), torch.rand(2, 32, 8, 8)]
    return MobileNetEmbedder(16, size=8), levels


def tower():
    levels = [torch.rand(2, 8, 16, 16), torch.rand(2, 12, 8, 8)]
    return TowerEmbedder(WeightedPool(12, dim=16), size=4), levels


def dense():
    return TowerEmbedder(), [torch.rand(2, 8, 16, 16), torch.rand(2, 16, 4, 4)]


ALL = {"roi": roi, "mobile": mobile, "tower": tower, "dense": dense}


@pytest.fixture(params=ALL.values(), ids=ALL)
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


@pytest.mark.parametrize("make", [roi, mobile])
def test_the_two_steps_are_the_whole(make):
    embedder, levels = make()
    embedder.eval()
    hidden = embedder.hidden(levels, regions(), 64)
    torch.testing.assert_close(embedder.embed(hidden), embedder(levels, regions(), 64))


def test_double_precision():
    embedder, levels = roi()
    doubled = embedder.double().eval()([level.double() for level in levels], regions(), 64)
    assert doubled.dtype == torch.float64


def test_levels_behind_the_last_it_reads_change_nothing():
    embedder, levels = RoiEmbedder(8, 16, hidden=12, levels=2).eval(), roi()[1]
    alone = embedder(levels, regions(), 64)
    torch.testing.assert_close(embedder([*levels, torch.rand(2, 30, 4, 4)], regions(), 64), alone)


def test_the_whole_picture_as_a_region_is_what_the_tower_sees():
    """The unit test that the method's smallest proof asks for: nothing is lost on the way."""
    torch.manual_seed(0)
    encoder = SmallImageEncoder(SmallTrunk((4, 8, 12)), dim=6).eval()
    pool = WeightedPool(12, dim=6)
    own = {k: v for k, v in encoder.state_dict().items() if not k.startswith("trunk.")}
    pool.load_state_dict(own)
    images = torch.rand(2, 3, 64, 64)
    boxes = torch.tensor([[0.0, 0, 64, 64]]).expand(2, 4)
    found = TowerEmbedder(pool, size=8, samples=1)(
        encoder.trunk(images), Regions(boxes, torch.arange(2)), 64
    )
    torch.testing.assert_close(found, encoder(images))


def test_a_dense_readout_is_read_where_the_box_lies():
    plane = torch.zeros(1, 2, 4, 4)
    plane[0, 0, :, :2] = 1  # the left half says one word, the right half the other
    plane[0, 1, :, 2:] = 1
    halves = torch.tensor([[0.0, 0, 32, 64], [32, 0, 64, 64], [16, 0, 48, 64]])
    found = TowerEmbedder()([plane], Regions(halves, torch.zeros(3, dtype=torch.int64)), 64)
    # RoIAlign blends neighbouring cells at half a cell from the border: 7 / 8 and 1 / 8
    assert found[0, 0] > 0.95 > found[0, 1] * 5
    torch.testing.assert_close(found[0], found[1].flip(0))
    torch.testing.assert_close(found[2], torch.full((2,), 0.5**0.5))


def test_a_tower_never_learns():
    embedder, levels = tower()
    levels = [level.requires_grad_() for level in levels]
    found = embedder.train()(levels, regions(), 64)
    assert not found.requires_grad
    assert not any(p.requires_grad for p in embedder.parameters())
    assert not any(module.training for module in embedder.pool.modules())

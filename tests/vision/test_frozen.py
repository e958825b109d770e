import torch
from torch import nn

from ovdet.vision import Frozen


def part():
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))


def test_nothing_learns_and_nothing_moves():
    frozen = Frozen(part())
    frozen.train()
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    given = torch.randn(8, 4, requires_grad=True)
    answer = frozen(given)
    assert not answer.requires_grad
    assert not any(p.requires_grad for p in frozen.parameters())
    assert all(torch.equal(before[name], value) for name, value in frozen.state_dict().items())
    assert torch.equal(answer, frozen(given))


def test_it_stays_in_evaluation_mode_inside_a_model():
    model = nn.Sequential(nn.Dropout(), Frozen(part())).train()
    assert model[0].training
    assert not any(inner.training for inner in model[1].modules())


def test_weights_still_load():
    first, second = Frozen(part()), Frozen(part())
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.module[0].weight, second.module[0].weight)

import itertools
import math

import pytest
import torch
from torch import nn

from ovdet.engine.lamb import Lamb
from ovdet.engine.optim import build_optimizer, build_schedulers
from ovdet.engine.settings import OptimSettings
from ovdet.structures import InputError


def rates(settings, iters):
    model = nn.Linear(1, 1)
    optimizer = build_optimizer(model, settings)
    schedulers = build_schedulers(optimizer, settings, iters)
    seen = []
    for _ in range(iters):
        seen.append(optimizer.get_lr()["lr"][0])
        optimizer.update_params(model(torch.ones(1, 1)).sum())
        for scheduler in schedulers:
            scheduler.step()
    return seen


def test_the_rate_rises_then_follows_a_cosine():
    seen = rates(OptimSettings("SGD", 1.0, warmup=10), 30)
    assert seen[0] == pytest.approx(1e-3)
    assert seen[9:11] == pytest.approx([1.0, 1.0])
    assert all(low < high for low, high in itertools.pairwise(seen[:10]))
    middle = 0.01 + 0.99 * (1 + math.cos(math.pi / 2)) / 2  # from 1 to 0.01 over 20 steps
    assert seen[20] == pytest.approx(middle)


def test_steps_divide_the_rate_by_ten():
    seen = rates(OptimSettings("SGD", 1.0, schedule="steps", milestones=(2, 4)), 6)
    assert seen == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_constant_rate_stays():
    assert rates(OptimSettings("SGD", 0.5, schedule="constant"), 3) == [0.5, 0.5, 0.5]


def test_a_warmup_longer_than_the_training_is_cut():
    assert len(rates(OptimSettings("SGD", 1.0, warmup=100), 5)) == 5


def test_norms_and_biases_keep_their_size():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    optimizer = build_optimizer(model, OptimSettings("AdamW", 1.0, weight_decay=0.1)).optimizer
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decays[id(model[0].weight)] == 0.1
    assert decays[id(model[0].bias)] == decays[id(model[1].weight)] == 0


def test_the_optimizer_is_the_one_that_is_named():
    for name, kind in (("SGD", torch.optim.SGD), ("AdamW", torch.optim.AdamW), ("LAMB", Lamb)):
        wrapper = build_optimizer(nn.Linear(2, 3), OptimSettings(name, 0.5, eps=1e-3))
        assert type(wrapper.optimizer) is kind
        assert all(group["lr"] == 0.5 for group in wrapper.optimizer.param_groups)
        assert all(group.get("eps", 1e-3) == 1e-3 for group in wrapper.optimizer.param_groups)


def test_everything_decays_where_it_is_asked_for():
    settings = OptimSettings("AdamW", 1.0, weight_decay=0.1, no_decay_norm_bias=False)
    optimizer = build_optimizer(nn.Linear(2, 3), settings).optimizer
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1]


def test_the_gradient_is_clipped():
    model = nn.Linear(1, 1, bias=False)
    settings = OptimSettings("SGD", 1.0, momentum=0.0, clip=0.5, schedule="constant")
    before = model.weight.item()
    build_optimizer(model, settings).update_params(model(torch.full((1, 1), 100.0)).sum())
    assert before - model.weight.item() == pytest.approx(0.5, rel=1e-4)


def test_frozen_parameters_are_left_out():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    optimizer = build_optimizer(model, OptimSettings("SGD", 1.0)).optimizer
    assert [p for g in optimizer.param_groups for p in g["params"]] == [model.bias]


def test_nothing_to_learn_is_an_error():
    with pytest.raises(InputError, match="no parameter to learn"):
        build_optimizer(nn.Identity(), OptimSettings("SGD", 1.0))


def test_bfloat16_is_for_the_forward_pass_alone():
    model = nn.Linear(2, 2)
    optimizer = build_optimizer(model, OptimSettings("SGD", 1.0, precision="bfloat16"))
    with optimizer.optim_context(model):
        assert model(torch.ones(1, 2)).dtype is torch.bfloat16
    assert model(torch.ones(1, 2)).dtype is torch.float32
    assert all(parameter.dtype is torch.float32 for parameter in model.parameters())


def test_weights_learn_in_full_precision_under_bfloat16():
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    settings = OptimSettings(
        "SGD", 2.0**-12, momentum=0.0, schedule="constant", precision="bfloat16"
    )
    optimizer = build_optimizer(model, settings)
    with optimizer.optim_context(model):
        loss = model(torch.ones(1, 1)).sum()
    optimizer.update_params(loss)
    assert model.weight.item() == 1 - 2.0**-12  # bfloat16 would round it to 1


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Linear(2, 2)
        self.text = nn.ModuleDict({"tokens": nn.Linear(2, 2), "blocks": nn.Linear(2, 2)})
        self.textual = nn.Linear(2, 2)


def rates_of(model, optimizer):
    by_id = {id(p): g["lr"] for g in optimizer.optimizer.param_groups for p in g["params"]}
    return {name: by_id.get(id(p)) for name, p in model.named_parameters()}


def test_parts_learn_at_their_own_rates():
    model = Towers()
    settings = OptimSettings("AdamW", 2.0, rates={"text": 0.5, "text.blocks": 0.1})
    found = rates_of(model, build_optimizer(model, settings))
    assert found == {
        "image.weight": 2.0,
        "image.bias": 2.0,
        "text.tokens.weight": 1.0,
        "text.tokens.bias": 1.0,
        "text.blocks.weight": pytest.approx(0.2),
        "text.blocks.bias": pytest.approx(0.2),
        "textual.weight": 2.0,
        "textual.bias": 2.0,
    }


def test_a_rate_of_nought_freezes():
    model = Towers()
    found = rates_of(model, build_optimizer(model, OptimSettings("SGD", 1.0, rates={"text": 0.0})))
    assert found["text.tokens.weight"] is None
    assert not model.text["blocks"].bias.requires_grad
    assert model.image.weight.requires_grad


def test_all_rates_follow_the_schedule():
    model = Towers()
    settings = OptimSettings("SGD", 1.0, warmup=4, rates={"text": 0.25})
    optimizer = build_optimizer(model, settings)
    schedulers = build_schedulers(optimizer, settings, 8)
    for _ in range(8):
        rates = {name: value for name, value in rates_of(model, optimizer).items() if value}
        assert rates["text.tokens.weight"] == pytest.approx(0.25 * rates["image.weight"])
        optimizer.update_params(sum(p.sum() for p in model.parameters()))
        for scheduler in schedulers:
            scheduler.step()


def test_a_rate_for_nothing_is_told():
    settings = OptimSettings("SGD", 1.0, rates={"texts": 0.1})
    with pytest.raises(InputError, match="'texts', but no parameter that learns begins so"):
        build_optimizer(Towers(), settings)


def test_a_rate_below_nought_is_told():
    with pytest.raises(InputError, match="at least 0, got -1 for 'text'"):
        OptimSettings("SGD", 1.0, rates={"text": -1})

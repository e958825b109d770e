"""Gradients reach something and nothing frozen; a state dict goes round."""

import pytest
import torch
from contracts import CONFIGS, METHODS, ROOT, build_new, build_tiny, identify, learning

from ovdet.vision import Frozen


def test_there_are_methods():
    assert "vild" in METHODS


@pytest.mark.parametrize("slug", METHODS)
def test_each_method_has_a_config_that_uses_it(slug):
    own = [path for path in CONFIGS if path.parent.name == slug]
    assert own, f"configs/methods/{slug}/ holds no config"


@pytest.mark.parametrize("path", learning(), ids=identify)
def test_gradients_reach_something_and_nothing_frozen(path):
    case = build_tiny(path)
    case.total().backward()
    frozen = {
        id(p)
        for part in case.model.modules()
        if isinstance(part, Frozen)
        for p in part.parameters()
    }
    reached = [p for p in case.model.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    learnt = [p for p in case.model.parameters() if p.requires_grad]
    assert len(reached) >= min(2, len(learnt)) >= 1
    assert not [p for p in reached if id(p) in frozen]
    assert not [p for p in case.model.parameters() if p.grad is not None and not p.requires_grad]


@pytest.mark.parametrize("path", learning(), ids=identify)
def test_each_trained_part_gets_a_gradient(path):
    """A part that asks for gradients and gets none is dead weight, or a loss is missing."""
    case = build_tiny(path)
    case.total().backward()
    dead = [name for name, p in case.model.named_parameters() if p.requires_grad and p.grad is None]
    assert not dead


@pytest.mark.parametrize("path", CONFIGS, ids=identify)
def test_frozen_parts_stay_in_evaluation_mode(path):
    model = build_tiny(path).model.train()
    for part in model.modules():
        if isinstance(part, Frozen):
            assert not any(inner.training for inner in part.modules())


@pytest.mark.parametrize("path", CONFIGS, ids=identify)
def test_state_dict_goes_round(path):
    first, second = build_tiny(path).model, build_tiny(path).model
    with torch.no_grad():
        for p in first.parameters():
            p.add_(0.5)
    second.load_state_dict(first.state_dict())
    mine, theirs = first.state_dict(), second.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)


@pytest.mark.parametrize("path", learning(), ids=identify)
def test_same_seed_same_losses(path):
    first, second = build_tiny(path), build_new(path)
    torch.manual_seed(1)
    one = first.losses()
    torch.manual_seed(1)
    other = second.losses()
    assert {k: v.item() for k, v in one.items()} == {k: v.item() for k, v in other.items()}


@pytest.mark.parametrize("slug", METHODS)
def test_each_method_has_its_own_test(slug):
    assert (ROOT / f"tests/methods/test_{slug}.py").exists()

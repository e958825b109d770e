import copy

import pytest
import torch

from ovdet.engine.lamb import Lamb

WEIGHT = torch.tensor([[3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)  # of norm 5
GRADIENT = torch.tensor([[1.0, -2.0], [0.5, 0.0]], dtype=torch.float64)


def stepped(weight, gradients, **options):
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = Lamb([parameter], **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def test_the_first_step_by_hand():
    # After one step Adam's direction is the gradient's sign: [[1, -1], [1, 0]].
    direction = GRADIENT.sign() + 0.1 * WEIGHT
    expected = WEIGHT - 0.01 * direction * 5 / direction.norm()
    given = stepped(WEIGHT, [GRADIENT], lr=0.01, eps=1e-14, weight_decay=0.1)
    torch.testing.assert_close(given, expected)


def test_without_decay_it_is_adam():
    gradients = [GRADIENT, -2 * GRADIENT, GRADIENT.T]
    parameter = torch.nn.Parameter(WEIGHT.clone())
    adam = torch.optim.Adam([parameter], lr=0.01, eps=1e-6)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        adam.step()
    torch.testing.assert_close(stepped(WEIGHT, gradients, lr=0.01), parameter.detach())


def test_timm_takes_the_same_steps():
    timm = pytest.importorskip("timm.optim")
    gradients = [GRADIENT, -2 * GRADIENT, GRADIENT.T, GRADIENT]
    parameter = torch.nn.Parameter(WEIGHT.clone())
    other = timm.Lamb([parameter], lr=0.02, eps=1e-4, weight_decay=0.03, max_grad_norm=None)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        other.step()
    given = stepped(WEIGHT, gradients, lr=0.02, eps=1e-4, weight_decay=0.03)
    torch.testing.assert_close(given, parameter.detach())


def test_a_weight_of_zeros_can_begin_to_move():
    zero = torch.zeros(2, 2, dtype=torch.float64)
    moved = stepped(zero, [GRADIENT], lr=0.01, weight_decay=0.1)
    torch.testing.assert_close(moved, -0.01 * GRADIENT.sign(), atol=1e-7, rtol=0)


def test_it_goes_on_from_a_state_dict():
    first, second = (torch.nn.Parameter(WEIGHT.clone()) for _ in range(2))
    one, other = (Lamb([p], lr=0.01, weight_decay=0.1) for p in (first, second))
    first.grad = GRADIENT.clone()
    one.step()
    with torch.no_grad():
        second.copy_(first)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for parameter, optimizer in ((first, one), (second, other)):
        parameter.grad = GRADIENT.T.clone()
        optimizer.step()
    assert torch.equal(first, second)


def test_no_closure_and_no_gradient():
    parameter = torch.nn.Parameter(WEIGHT.clone())
    optimizer = Lamb([parameter])
    optimizer.step()
    assert torch.equal(parameter.detach(), WEIGHT)
    with pytest.raises(ValueError, match="takes no closure"):
        optimizer.step(lambda: 0)

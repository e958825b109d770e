import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from ovdet.losses import TokenFocal


def case():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 4, requires_grad=True)
    return logits, (torch.rand(2, 5, 4) > 0.7).float(), torch.tensor([[True] * 4, [True, False] * 2])


def test_as_torchvision_over_what_is_asked():
    logits, targets, asked = case()
    each = sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2.0)
    wanted = each[0].sum() + each[1, :, ::2].sum()
    torch.testing.assert_close(TokenFocal()(logits, targets, asked), wanted)


def test_what_is_not_asked_gets_no_gradient():
    logits, targets, asked = case()
    TokenFocal()(logits, targets, asked).backward()
    assert (logits.grad[1, :, 1] == 0).all()
    assert (logits.grad[0] != 0).all()


def test_a_soft_target_by_hand():
    logits, target = torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.25)
    loss = TokenFocal(alpha=0.25, gamma=2.0)(logits, target, torch.ones(1, 1, dtype=torch.bool))
    # p = 1/2: cross entropy log 2; missed 1/2; weight 0.25 * 0.25 + 0.75 * 0.75
    assert loss.item() == pytest.approx(0.625 * 0.25 * 0.693147, rel=1e-5)


def test_nothing_is_no_loss():
    empty = TokenFocal()(torch.zeros(2, 0, 3), torch.zeros(2, 0, 3), torch.ones(2, 3).bool())
    assert empty.item() == 0


def test_half_precision_is_widened():
    logits, targets, asked = case()
    loss = TokenFocal()(logits.bfloat16(), targets, asked)
    assert loss.dtype == torch.float32


def test_alpha_is_a_share():
    with pytest.raises(ValueError, match="got 1.5"):
        TokenFocal(alpha=1.5)

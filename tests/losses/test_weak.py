import math

import pytest
import torch

from ovdet.losses import InBatchBce


@pytest.mark.parametrize("weight", [1.0, 0.125])
def test_by_hand(weight):
    images = torch.eye(2)
    texts = torch.tensor([[1.0, 0], [1, 0]])  # the second picture has nothing to do with its text
    loss = InBatchBce(negative_weight=weight)(images, texts, torch.tensor(2.0))
    yes, no, even = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2)), math.log(2)
    assert loss.item() == pytest.approx((yes + weight * no + even + weight * even) / 2, rel=1e-6)


def test_no_pair_is_no_loss_but_a_graph():
    images = torch.zeros(0, 4, requires_grad=True)
    loss = InBatchBce()(images, torch.zeros(0, 4), torch.tensor(2.0))
    loss.backward()
    assert loss.item() == 0


def test_half_precision_is_summed_in_full():
    images = torch.nn.functional.normalize(torch.randn(6, 8), dim=1).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = InBatchBce()(images, images, torch.tensor(100.0))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, InBatchBce()(images.float(), images.float(), torch.tensor(100.0))
    )

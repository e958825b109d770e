import re
import sys

import pytest
import torch
from torch import nn

from ovdet.finetuning.lora import add_adapters, merge_adapters
from ovdet.structures import InputError


class OwnPadding(nn.Conv2d):
    """A convolution whose padding an adapter would not know."""


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        OwnPadding(8, 8, 3, padding=1),
        OwnPadding(8, 8, 1),
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )


def test_adapters_change_nothing_until_they_learn_and_can_be_merged():
    net, x = model(), torch.randn(2, 3, 4, 4)
    before, names = net(x), list(net.state_dict())
    assert add_adapters(net, lambda _: True, rank=2) == ["0", "3", "5"]
    torch.testing.assert_close(net(x), before)
    learning = {name for name, p in net.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(std=0.1)
    learnt = net(x)
    assert (learnt - before).abs().max() > 0.01
    merge_adapters(net)
    assert list(net.state_dict()) == names
    torch.testing.assert_close(net(x), learnt, rtol=1e-4, atol=1e-5)


def test_without_peft_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=re.escape('pip install "ovdet[finetune]"')):
        add_adapters(model(), lambda _: True)


def test_a_layer_is_left_out_by_its_name_or_where_it_is_frozen():
    net = model()
    net[5].requires_grad_(requires_grad=False)
    assert add_adapters(net, lambda name: name != "0") == ["3"]
    with pytest.raises(InputError, match="finds no linear map"):
        add_adapters(model(), lambda _: False)

import math

import pytest
import torch

from ovdet.structures import InputError
from ovdet.text import TokenLayer


def everything(n):
    return torch.ones(2, n, n, dtype=torch.bool)


def test_as_transformers_bert_layer_with_the_same_weights():
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16,
        num_attention_heads=4,
        intermediate_size=40,
        layer_norm_eps=1e-5,
        attn_implementation="eager",
    )
    other, part = BertLayer(config).eval(), TokenLayer(16, heads=4, hidden=40).eval()
    for p in part.parameters():
        torch.nn.init.normal_(p, std=0.3)
    q, k, v = part.qkv.weight.chunk(3)
    bq, bk, bv = part.qkv.bias.chunk(3)
    own = other.attention.self
    pairs = [
        (own.query, q, bq),
        (own.key, k, bk),
        (own.value, v, bv),
        (other.attention.output.dense, part.out.weight, part.out.bias),
        (other.attention.output.LayerNorm, part.out_norm.weight, part.out_norm.bias),
        (other.intermediate.dense, part.up.weight, part.up.bias),
        (other.output.dense, part.down.weight, part.down.bias),
        (other.output.LayerNorm, part.down_norm.weight, part.down_norm.bias),
    ]
    with torch.no_grad():
        for layer, weight, bias in pairs:
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    x = torch.randn(2, 5, 16)
    found = other(x)
    wanted = found[0] if isinstance(found, tuple) else found
    torch.testing.assert_close(part(x, everything(5)), wanted, atol=1e-5, rtol=1e-5)


def test_a_token_sees_what_it_may_and_nothing_else():
    torch.manual_seed(0)
    part = TokenLayer(8, heads=2).eval()
    for p in part.parameters():
        torch.nn.init.normal_(p, std=0.5)
    seen = everything(4)
    seen[:, :2, 2:] = False
    x = torch.randn(2, 4, 8)
    before = part(x, seen)
    x[:, 3] += 1
    after = part(x, seen)
    torch.testing.assert_close(after[:, :2], before[:, :2])
    assert not torch.allclose(after[:, 2], before[:, 2])


def test_attention_by_hand():
    torch.manual_seed(0)
    part = TokenLayer(4, heads=1)
    x, seen = torch.randn(1, 3, 4), torch.ones(1, 3, 3, dtype=torch.bool).tril()
    q, k, v = (x @ part.qkv.weight.T + part.qkv.bias).chunk(3, dim=2)
    rows = []
    for i in range(3):
        weights = (q[0, i] @ k[0, : i + 1].T / math.sqrt(4)).exp()
        rows.append(weights / weights.sum() @ v[0, : i + 1])
    wanted = torch.stack(rows)[None] @ part.out.weight.T + part.out.bias
    torch.testing.assert_close(part._attend(x, seen), wanted)


def test_heads_divide_the_width():
    with pytest.raises(InputError, match="got 3 heads for dim 8"):
        TokenLayer(8, heads=3)

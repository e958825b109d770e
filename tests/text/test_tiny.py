import pytest
import torch

from ovdet.registry import MODELS, build
from ovdet.structures import InputError
from ovdet.text import TinyTextTransformer

SHORT = {"dim": 8, "width": 16, "layers": 2, "heads": 2, "embed_width": 8}


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    return TinyTextTransformer(**{**SHORT, **changes})


def test_tiny_is_built_by_name():
    encoder = build({"type": "TinyTextTransformer", **SHORT}, "model.text")
    assert isinstance(encoder, MODELS.get("TinyTextTransformer"))
    assert encoder.dim == 8


def test_the_vector_is_read_at_the_first_end():
    encoder = tiny(context=8)
    ids = encoder.tokenizer(["a dog"])
    after = ids.clone()
    after[:, 5:] = 49407
    torch.testing.assert_close(encoder(ids), encoder(after), atol=1e-6, rtol=0)


def test_forward_reaches_every_weight():
    encoder = tiny()
    encoder(encoder.tokenizer(["a cat", "a dog"])).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


def test_blocks_equal_those_of_torch():
    encoder = tiny()
    mine = encoder.blocks[0]
    other = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    other.in_proj_weight, other.in_proj_bias = mine.qkv.weight, mine.qkv.bias
    other.out_proj.weight, other.out_proj.bias = mine.out.weight, mine.out.bias
    x = torch.randn(3, 5, 16)
    causal = torch.full((5, 5), -torch.inf).triu(1)
    y = mine.norm1(x)
    after = x + other(y, y, y, attn_mask=causal, need_weights=False)[0]
    hidden = mine.up(mine.norm2(after))
    expected = after + mine.down(hidden * torch.sigmoid(1.702 * hidden))
    torch.testing.assert_close(mine(x), expected)


def test_initial_spread_is_that_of_clip():
    encoder = tiny(width=128, embed_width=64)
    table = encoder.widen(encoder.tokens.weight[:5000])
    assert table.std().item() == pytest.approx(0.02, rel=0.1)
    assert encoder.positions.std().item() == pytest.approx(0.01, rel=0.05)
    assert encoder.blocks[1].qkv.weight.std().item() == pytest.approx(128**-0.5, rel=0.05)
    assert encoder.blocks[1].down.weight.std().item() == pytest.approx(0.5 * 128**-0.5, rel=0.05)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InputError, match="got 3 heads for width 16"):
        tiny(heads=3)

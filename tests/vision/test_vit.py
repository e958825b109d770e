import pytest
import torch

from ovdet.vision import ClassEverywhere, ClipImageEncoder, SelfSelfAttention, SmallVit
from ovdet.vision.positions import resample_positions


def vit(**sizes):
    torch.manual_seed(0)
    return SmallVit(
        **{"dim": 6, "width": 16, "layers": 2, "heads": 2, "stem": (4, 8), **sizes}
    ).eval()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 72), (33, 50)])
def test_one_level_of_patches_that_rounds_up(height, width):
    level = vit()(torch.rand(2, 3, height, width))
    assert [list(one.shape) for one in level] == [[2, 16, -(-height // 8), -(-width // 8)]]
    assert vit().widths == (16,)
    assert vit(stem=(4,)).stride == 4


@torch.no_grad()
def test_attention_is_torchs():
    part = vit(layers=1)
    tokens = torch.randn(2, 5, 16)
    block = part.resblocks[0]
    reference = torch.nn.TransformerEncoderLayer(
        16, 2, 64, 0.0, "gelu", batch_first=True, norm_first=True
    )
    reference.self_attn.in_proj_weight.copy_(block.attn.in_proj_weight)
    reference.self_attn.in_proj_bias.copy_(block.attn.in_proj_bias)
    reference.self_attn.out_proj.load_state_dict(block.attn.out_proj.state_dict())
    reference.linear1.load_state_dict(block.mlp.c_fc.state_dict())
    reference.linear2.load_state_dict(block.mlp.c_proj.state_dict())
    torch.testing.assert_close(part.run(tokens), reference.train()(tokens))


@torch.no_grad()
def test_positions_follow_the_grid():
    part = vit(grid=8)
    plain = part.first_tokens(torch.zeros(1, 3, 128, 64))[0]
    stretched = vit(grid=8)
    stretched.positional_embedding.zero_()
    without = stretched.stem(((torch.zeros(1, 3, 128, 64)) - 0.5) / 0.25)
    rows = torch.cat([part.class_embedding[None], without[0].flatten(1).T])
    expected = part.ln_pre(rows + resample_positions(part.positional_embedding, 16, 8))
    torch.testing.assert_close(plain[0], expected)


@torch.no_grad()
def test_the_class_token_stands_for_the_picture():
    part = vit()
    images = torch.rand(2, 3, 64, 64)
    tokens, grid = part.last_tokens(images)
    assert grid == (8, 8)
    torch.testing.assert_close(part.embed(images), tokens[:, 0] @ part.proj)
    torch.testing.assert_close(part(images)[0][1, :, 2, 3], tokens[1, 1 + 2 * 8 + 3])
    unit = ClipImageEncoder(part)(images)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(2))


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide width, got 3 for width 16"):
        SmallVit(width=16, heads=3)


@torch.no_grad()
def test_a_readout_gives_a_dense_level_and_keys_one_before_it():
    whole = SelfSelfAttention(("qk",))
    part = vit(readout=whole, keys=True)
    images = torch.rand(2, 3, 40, 24)
    plain, keys, dense = part(images)
    torch.testing.assert_close(plain, vit()(images)[0])
    unit = torch.nn.functional.normalize(plain.permute(0, 2, 3, 1) @ part.proj, dim=-1)
    torch.testing.assert_close(dense.permute(0, 2, 3, 1), unit)
    tokens, _ = part.before_last(images)
    attn = part.resblocks[-1].attn
    packed = part.resblocks[-1].ln_1(tokens) @ attn.in_proj_weight.T + attn.in_proj_bias
    expected = packed[:, 1:, 16:32].mT.reshape(2, 16, 5, 3)
    torch.testing.assert_close(keys, expected)


@torch.no_grad()
def test_the_class_token_everywhere():
    part = vit(readout=ClassEverywhere())
    images = torch.rand(2, 3, 16, 24)
    dense = part(images)[-1]
    unit = torch.nn.functional.normalize(part.embed(images), dim=-1)
    torch.testing.assert_close(dense, unit[:, :, None, None].expand_as(dense))

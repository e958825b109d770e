"""Dense readouts against a transcription patch by patch, and on transformers' hidden states."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.registry import build
from ovdet.vision.clip_resnet import ClipAttentionPool, ClipResNet
from ovdet.vision.clip_vit import ClipBlock, ClipVit, ClipVitShape, LastBlock
from ovdet.vision.readouts import SelfSelfAttention, ValuePath, neighbourhood

GRID = (3, 2)
HEADS, WIDTH = 2, 8


@pytest.fixture
def block():
    torch.manual_seed(0)
    made = ClipBlock(WIDTH, HEADS, quick=True)
    for p in made.parameters():
        nn.init.normal_(p, std=0.5)
    return made


@pytest.fixture
def tokens():
    return torch.randn(2, 1 + GRID[0] * GRID[1], WIDTH)


def norm(x, layer):
    """Layer norm of one vector, written out."""
    centred = x - x.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt() * layer.weight + layer.bias


def by_hand(block, tokens, weigh, *, residual, ffn):
    """One token and head at a time; ``weigh`` gives a head's weights [N, N]."""
    side = WIDTH // HEADS
    out = torch.zeros_like(tokens)
    for image in range(len(tokens)):
        inputs = torch.stack([norm(x, block.ln_1) for x in tokens[image]])
        packed = inputs @ block.attn.in_proj_weight.T + block.attn.in_proj_bias
        q, k, v = packed[:, :WIDTH], packed[:, WIDTH : 2 * WIDTH], packed[:, 2 * WIDTH :]
        mixed = torch.zeros_like(inputs)
        for head in range(HEADS):
            part = slice(head * side, (head + 1) * side)
            mixed[:, part] = weigh(q[:, part], k[:, part], v[:, part]) @ v[:, part]
        for row, x in enumerate(tokens[image]):
            read = block.attn.out_proj.weight @ mixed[row] + block.attn.out_proj.bias
            read = read + x if residual else read
            if ffn:
                inner = block.mlp.c_fc.weight @ norm(read, block.ln_2) + block.mlp.c_fc.bias
                inner = inner / (1 + (-1.702 * inner).exp())
                read = read + block.mlp.c_proj.weight @ inner + block.mlp.c_proj.bias
            out[image, row] = read
    return out


def soft(a, b, bias=0.0):
    return (a @ b.T / math.sqrt(a.shape[1]) + bias).softmax(dim=1)


def near(sigma):
    """The neighbourhood, pair by pair: patch 1 + i * w + j lies in row i and column j."""
    bias = torch.zeros(7, 7)
    for a in range(6):
        for b in range(6):
            distance = (a // 2 - b // 2) ** 2 + (a % 2 - b % 2) ** 2
            bias[1 + a, 1 + b] = math.exp(-distance / (2 * sigma**2))
    return bias


WAYS = {
    "maskclip": (ValuePath(), lambda q, _k, _v: torch.eye(len(q)), False, False),
    "maskclip, as coded": (
        ValuePath(residual=True, ffn=True),
        lambda q, _k, _v: torch.eye(len(q)),
        True,
        True,
    ),
    "sclip": (SelfSelfAttention(), lambda q, k, _v: soft(q, q) + soft(k, k), True, True),
    "naclip": (
        SelfSelfAttention(("kk",), sigma=5.0, residual=False, ffn=False),
        lambda _q, k, _v: soft(k, k, near(5.0)),
        False,
        False,
    ),
    "values": (
        SelfSelfAttention(("vv",), residual=False),
        lambda _q, _k, v: soft(v, v),
        False,
        True,
    ),
    "clip": (LastBlock(), lambda q, k, _v: soft(q, k), True, True),
}


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_readouts_by_hand(block, tokens, way):
    readout, weigh, residual, ffn = way
    expected = by_hand(block, tokens, weigh, residual=residual, ffn=ffn)
    torch.testing.assert_close(readout(block, tokens, GRID), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_its_own_pair_is_the_block_itself(block, tokens):
    read = SelfSelfAttention(("qk",))(block, tokens, GRID)
    torch.testing.assert_close(read, block(tokens))


def test_the_neighbourhood_by_hand():
    torch.testing.assert_close(neighbourhood(GRID, 0.7), near(0.7))
    wide = neighbourhood(GRID, 1e6)[1:, 1:]
    torch.testing.assert_close(wide, torch.ones(6, 6))


@torch.no_grad()
def test_no_pictures_are_read_too(block):
    for readout in (ValuePath(), SelfSelfAttention(("kk",), sigma=2.0)):
        assert readout(block, torch.zeros(0, 7, WIDTH), GRID).shape == (0, 7, WIDTH)


@torch.no_grad()
def test_the_dense_level_is_what_transformers_values_say():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    theirs = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            projection_dim=12,
            image_size=32,
            patch_size=8,
        )
    ).eval()
    tower = ClipVit(
        ClipVitShape(patch=8, width=32, layers=2, heads=2, dim=12, grid=4), readout=ValuePath()
    ).eval()
    copy_weights(tower, theirs)
    images = torch.rand(2, 3, 40, 24)
    states = theirs(
        tower.pixels(images), interpolate_pos_encoding=True, output_hidden_states=True
    ).hidden_states
    layer = theirs.vision_model.encoder.layers[-1]
    values = layer.self_attn.out_proj(layer.self_attn.v_proj(layer.layer_norm1(states[-2])))
    expected = theirs.visual_projection(theirs.vision_model.post_layernorm(values))[:, 1:]
    (dense,) = tower(images)
    assert dense.shape == (2, 12, 5, 3)
    got = dense.flatten(2).transpose(1, 2)
    torch.testing.assert_close(got, F.normalize(expected, dim=-1), atol=1e-4, rtol=1e-4)


def copy_weights(tower, theirs):
    """Fill our tower from transformers', part by part."""
    outer = theirs.vision_model
    tower.class_embedding.copy_(outer.embeddings.class_embedding)
    tower.conv1.load_state_dict(outer.embeddings.patch_embedding.state_dict())
    tower.positional_embedding.copy_(outer.embeddings.position_embedding.weight)
    tower.ln_pre.load_state_dict(outer.pre_layrnorm.state_dict())
    tower.ln_post.load_state_dict(outer.post_layernorm.state_dict())
    tower.proj.copy_(theirs.visual_projection.weight.T)
    for mine, their in zip(tower.resblocks, outer.encoder.layers, strict=True):
        parts = [getattr(their.self_attn, f"{name}_proj") for name in "qkv"]
        mine.attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        mine.attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        mine.attn.out_proj.load_state_dict(their.self_attn.out_proj.state_dict())
        mine.ln_1.load_state_dict(their.layer_norm1.state_dict())
        mine.ln_2.load_state_dict(their.layer_norm2.state_dict())
        mine.mlp.c_fc.load_state_dict(their.mlp.fc1.state_dict())
        mine.mlp.c_proj.load_state_dict(their.mlp.fc2.state_dict())


@torch.no_grad()
def test_a_resnet_gives_its_dense_level_last():
    torch.manual_seed(0)
    pool = ClipAttentionPool(128, 12, heads=2, grid=2)
    tower = ClipResNet((1, 1, 1, 1), 4, pool=pool, dense=True).eval()
    images = torch.rand(2, 3, 96, 64)
    *levels, dense = tower(images)
    assert [level.shape[1] for level in levels] == list(tower.widths)
    cells = levels[-1].permute(0, 2, 3, 1)  # one value and one projection a cell
    expected = (cells @ pool.v_proj.weight.T + pool.v_proj.bias) @ pool.c_proj.weight.T
    expected = F.normalize(expected + pool.c_proj.bias, dim=-1)
    torch.testing.assert_close(dense.permute(0, 2, 3, 1), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(tower.embed(images), pool(levels[-1]))


@torch.no_grad()
def test_keys_come_before_the_dense_level():
    torch.manual_seed(0)
    pool = ClipAttentionPool(128, 12, heads=2, grid=2)
    tower = ClipResNet((1, 1, 1, 1), 4, pool=pool, dense=True, keys=True).eval()
    *_, last, keys, dense = tower(torch.rand(2, 3, 96, 64))
    expected = last.permute(0, 2, 3, 1) @ pool.k_proj.weight.T + pool.k_proj.bias
    torch.testing.assert_close(keys.permute(0, 2, 3, 1), expected)
    assert dense.shape == (2, 12, 3, 2)
    shape = ClipVitShape(patch=8, width=8, layers=2, heads=2, dim=4, grid=2)
    vit = ClipVit(shape, keys=True).eval()
    images = torch.rand(2, 3, 24, 16)
    keys, dense = vit(images)
    tokens, _ = vit.before_last(images)
    attn = vit.resblocks[-1].attn
    packed = vit.resblocks[-1].ln_1(tokens) @ attn.in_proj_weight.T + attn.in_proj_bias
    torch.testing.assert_close(keys, packed[:, 1:, 8:16].mT.reshape(2, 8, 3, 2))
    assert dense.shape == (2, 4, 3, 2)


def test_a_config_names_a_readout():
    shape = {"type": "ClipVitShape", "patch": 8, "width": 16, "layers": 2, "heads": 2, "dim": 4}
    readout = {"type": "SelfSelfAttention", "pairs": ("kk",), "sigma": 5.0}
    tower = build({"type": "ClipVit", "shape": shape, "readout": readout}, "model.trunk")
    assert tower.readout.sigma == 5.0
    assert tower(torch.rand(1, 3, 16, 24))[0].shape == (1, 4, 2, 3)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"pairs must be some of .* got \('kq',\)"):
        SelfSelfAttention(("kq",))
    with pytest.raises(ValueError, match=r"pairs must be some of .* got \(\)"):
        SelfSelfAttention(())
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        SelfSelfAttention(sigma=0)
    for more in ({"dense": True}, {"keys": True}):
        with pytest.raises(ValueError, match="needs a pool"):
            ClipResNet((1, 1, 1, 1), 4, **more)

"""CLIP's image towers against open_clip's on the same random weights, both families."""

import copy

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from ovdet.structures import InputError
from ovdet.vision import (
    ClipAttentionPool,
    ClipImageEncoder,
    ClipResNet,
    ClipVit,
    ClipVitShape,
    clip_pool,
    clip_tower,
)
from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
RESNET = {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None}
VIT = {"image_size": 48, "layers": 3, "width": 64, "patch_size": 16, "head_width": 32}
SHAPE = ClipVitShape(patch=16, width=64, layers=3, heads=2, dim=24, grid=3)
NEW = {
    "ovdet-rn": {"embed_dim": 24, "vision_cfg": RESNET, "text_cfg": TEXT},
    "ovdet-vit": {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": TEXT},
    "ovdet-vit-quickgelu": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": VIT,
        "text_cfg": TEXT,
    },
    "ovdet-vit-odd": {
        "embed_dim": 24,
        "vision_cfg": {**VIT, "ls_init_value": 0.1},
        "text_cfg": TEXT,
    },
}
NAMES = [name for name in NEW if name != "ovdet-vit-odd"]


@pytest.fixture(scope="module")
def models():
    """Small open_clip models, their names known to open_clip for the length of the module."""
    import open_clip
    from open_clip.factory import _MODEL_CONFIGS

    _MODEL_CONFIGS.update(NEW)
    torch.manual_seed(0)
    made = {name: open_clip.create_model(name).eval() for name in NAMES}
    for model in made.values():
        for name, value in model.visual.state_dict().items():
            if value.is_floating_point():  # norms and biases say something too
                noise = torch.randn_like(value) * 0.2
                value.add_(noise.abs() if name.endswith(("running_var", "weight")) else noise)
    yield made
    for name in NEW:
        del _MODEL_CONFIGS[name]


@pytest.fixture
def known(models, monkeypatch):
    monkeypatch.setattr("open_clip.list_models", lambda: [*NEW, "swin_base_patch4_window7_224"])
    return models


@pytest.fixture
def files(known, tmp_path):
    for name, model in known.items():
        save_file(model.state_dict(), tmp_path / f"{name}.safetensors")
    return tmp_path


def normalised(images):
    return (images - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]


def close(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_embedded_as_open_clip_does(known, files, name):
    encoder = ClipImageEncoder(name, str(files / f"{name}.safetensors")).eval()
    images = torch.rand(3, 3, encoder.size, encoder.size)
    close(encoder(images), known[name].encode_image(normalised(images), normalize=True))
    assert encoder.dim == 24
    assert encoder.size == NEW[name]["vision_cfg"]["image_size"]


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (96, 160), (75, 101)])
def test_levels_of_a_resnet_are_those_of_open_clip(known, files, size):
    tower = clip_tower("ovdet-rn", str(files / "ovdet-rn.safetensors")).eval()
    images = torch.rand(2, 3, *size)
    reference = known["ovdet-rn"].visual.forward_intermediates(
        normalised(images), indices=[1, 2, 3, 4], intermediates_only=True
    )["image_intermediates"]
    levels = tower(images)
    assert tower.widths == tuple(level.shape[1] for level in levels) == (32, 64, 128, 256)
    for got, expected in zip(levels, reference, strict=True):
        close(got, expected)


@torch.no_grad()
def test_levels_of_a_vit_are_those_of_open_clip(known, files):
    name = "ovdet-vit-quickgelu"
    tower = clip_tower(name, str(files / f"{name}.safetensors"), blocks=(0, 2)).eval()
    images = torch.rand(2, 3, 48, 48)
    visual = known[name].visual
    reference = visual.forward_intermediates(normalised(images), indices=[0, 2])
    first, last, dense = tower(images)
    close(first, reference["image_intermediates"][0])
    close(last, reference["image_intermediates"][1])
    tokens = reference["image_intermediates"][1].flatten(2).transpose(1, 2)
    expected = F.normalize(visual.ln_post(tokens) @ visual.proj, dim=-1)
    close(dense.flatten(2).transpose(1, 2), expected)
    assert tower.widths == (64, 64)
    assert tower.dim == 24


def stretched(positions, height, width):
    """Positions [1 + 9, c] for another grid, as ViT's authors resample them."""
    grid = positions[1:].reshape(3, 3, -1).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
    rows = grid[0].permute(1, 2, 0).reshape(height * width, -1)
    return torch.cat([positions[:1], rows])


@torch.no_grad()
@pytest.mark.parametrize(
    ("size", "cells"), [((64, 112), (4, 7)), ((50, 71), (3, 4)), ((5, 9), (1, 1))]
)
def test_a_vit_sees_pictures_of_any_size(known, files, size, cells):
    tower = clip_tower("ovdet-vit", str(files / "ovdet-vit.safetensors"), blocks=(1,)).eval()
    visual = known["ovdet-vit"].visual
    images = torch.rand(2, 3, *size)
    height, width = (16 * side for side in cells)
    fitted = F.interpolate(images, (height, width), mode="bilinear", align_corners=False)
    x = visual.conv1(normalised(fitted)).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(2, 1, -1), x], dim=1)
    x = visual.ln_pre(x + stretched(visual.positional_embedding, *cells))
    x = visual.transformer.resblocks[1](visual.transformer.resblocks[0](x))
    middle, dense = tower(images)
    assert middle.shape == (2, 64, *cells)
    close(middle.flatten(2).transpose(1, 2), x[:, 1:])
    x = visual.ln_post(visual.transformer.resblocks[2](x)) @ visual.proj
    close(tower.embed(images), x[:, 0])
    close(dense.flatten(2).transpose(1, 2), F.normalize(x[:, 1:], dim=-1))


@torch.no_grad()
def test_a_vit_agrees_with_transformers_on_wide_pictures():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=24,
        image_size=48,
        patch_size=16,
    )
    theirs = CLIPVisionModelWithProjection(config).eval()
    tower = ClipVit(SHAPE).eval()
    tower.load_state_dict(openai_names(theirs.state_dict()))
    images = torch.rand(2, 3, 80, 112)
    expected = theirs(normalised(images), interpolate_pos_encoding=True)
    close(tower.embed(images), expected.image_embeds)


def openai_names(state):
    """Rename transformers' tower (the table of the CLIP card)."""
    renamed = {
        "class_embedding": state["vision_model.embeddings.class_embedding"],
        "conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "proj": state["visual_projection.weight"].T,
    }
    for ours, their in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):
        for kind in ("weight", "bias"):
            renamed[f"{ours}.{kind}"] = state[f"vision_model.{their}.{kind}"]
    names = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
        "attn.out_proj": "self_attn.out_proj",
    }
    for index in range(3):
        ours, their = f"transformer.resblocks.{index}", f"vision_model.encoder.layers.{index}"
        for kind in ("weight", "bias"):
            for new, old in names.items():
                renamed[f"{ours}.{new}.{kind}"] = state[f"{their}.{old}.{kind}"]
            parts = [state[f"{their}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
            renamed[f"{ours}.attn.in_proj_{kind}"] = torch.cat(parts)
    return renamed


@torch.no_grad()
def test_a_pool_on_another_grid_resamples_its_positions(known):
    theirs = known["ovdet-rn"].visual.attnpool
    pool = ClipAttentionPool(256, 24, heads=4, grid=2)
    pool.load_state_dict(theirs.state_dict())
    maps = torch.rand(3, 256, 2, 2)
    close(pool(maps), theirs(maps))
    wide = torch.rand(3, 256, 4, 3)
    theirs.positional_embedding.data, before = (
        F.interpolate(
            theirs.positional_embedding[1:].T.reshape(1, 256, 2, 2), (4, 3), mode="bicubic"
        )[0]
        .flatten(1)
        .T,
        theirs.positional_embedding.data,
    )
    theirs.positional_embedding.data = torch.cat([before[:1], theirs.positional_embedding.data])
    expected = theirs(wide)
    theirs.positional_embedding.data = before
    close(pool(wide), expected)


@torch.no_grad()
def test_even_attention_pools_to_the_mean_of_the_dense_map():
    pool = ClipAttentionPool(16, 6, heads=4, grid=3)
    for part in (pool.q_proj, pool.k_proj):
        part.weight.zero_()
        part.bias.zero_()
    pool.positional_embedding.zero_()
    maps = torch.rand(2, 16, 3, 3)
    dense = pool.dense(maps)
    assert dense.shape == (2, 6, 3, 3)
    close(pool(maps), dense.mean(dim=(2, 3)))


@torch.no_grad()
@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", NAMES)
def test_nothing_gives_nothing(name):
    encoder = ClipImageEncoder(name).eval()
    assert encoder(torch.rand(0, 3, 64, 64)).shape == (0, 24)
    assert all(len(level) == 0 for level in encoder.tower(torch.rand(0, 3, 80, 64)))
    assert ClipAttentionPool(16, 6, heads=4)(torch.rand(0, 16, 7, 7)).shape == (0, 6)


def towers(**options):
    pool = ClipAttentionPool(256, 24, heads=4, grid=2)
    return [
        ClipResNet((1, 1, 1, 1), 8, pool=pool, **options),
        ClipVit(SHAPE, blocks=(1,), **options),
    ]


def test_a_frozen_tower_stays_as_it_is():
    for tower in towers(frozen=True):
        tower.train()
        before = {name: value.clone() for name, value in tower.state_dict().items()}
        images = torch.rand(2, 3, 64, 64, requires_grad=True)
        sum(level.sum() for level in tower(images)).backward()
        assert not any(p.requires_grad for p in tower.parameters())
        assert not any(part.training for part in tower.modules())
        assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())
        assert images.grad.abs().sum() > 0  # what lies before it may learn


def test_a_tower_that_is_not_frozen_learns():
    torch.manual_seed(0)
    for tower in towers():
        tower.train()
        encoder = ClipImageEncoder(tower)
        (encoder(torch.rand(2, 3, 64, 64)) @ torch.randn(24)).sum().backward()
        assert all(p.grad is not None for p in tower.parameters())


@torch.no_grad()
def test_a_readout_stands_in_for_the_last_block():
    class Untouched(torch.nn.Module):
        def forward(self, block, tokens, grid):
            assert isinstance(block, torch.nn.Module)
            assert grid == (4, 3)
            return tokens

    torch.manual_seed(0)
    plain, other = ClipVit(SHAPE, blocks=(1,)), ClipVit(SHAPE, blocks=(1,), readout=Untouched())
    other.load_state_dict(plain.state_dict())
    images = torch.rand(1, 3, 64, 48)
    middle, dense = other(images)
    expected = F.normalize(other.ln_post(middle.flatten(2).transpose(1, 2)) @ other.proj, dim=-1)
    close(dense.flatten(2).transpose(1, 2), expected)
    close(other.embed(images), plain.embed(images))


@torch.no_grad()
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(kind):
    torch.manual_seed(0)
    for tower in towers():
        encoder = ClipImageEncoder(tower).eval()
        images = torch.rand(2, 3, 72, 56)
        expected = encoder(images)
        got = encoder.to(kind)(images.to(kind)).float()
        assert torch.isfinite(got).all()
        assert F.cosine_similarity(got, expected).min() > 0.98


def test_a_trunk_without_its_pool_loads_from_the_whole_file(files):
    file = str(files / "ovdet-rn.safetensors")
    whole = clip_tower("ovdet-rn", file)
    trunk, pool = (
        clip_tower("ovdet-rn", file, pooled=False, frozen=True),
        clip_pool("ovdet-rn", file),
    )
    parts = trunk.state_dict() | {f"attnpool.{k}": v for k, v in pool.state_dict().items()}
    assert parts.keys() == whole.state_dict().keys()
    assert all(torch.equal(value, parts[name]) for name, value in whole.state_dict().items())


class Visual(torch.nn.Module):
    def __init__(self, tower):
        super().__init__()
        self.visual = tower
        self.register_buffer("context_length", torch.tensor(77))

    def forward(self, images):
        return images * self.visual.proj.sum()


def test_openai_files_are_scripts_in_half_precision(known, tmp_path):
    tower = copy.deepcopy(known["ovdet-vit-quickgelu"].visual).half()
    traced = torch.jit.trace(Visual(tower), torch.rand(1, 3, 48, 48).half())
    traced.save(tmp_path / "ViT.pt")
    read = clip_tower("ovdet-vit-quickgelu", str(tmp_path / "ViT.pt"))
    for name, value in tower.state_dict().items():
        assert torch.equal(read.state_dict()[name], value.float())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda _: clip_tower("ovdet-vitt"), "did you mean 'ovdet-vit"),
        (lambda _: clip_tower("hf-hub:someone/something"), "has no model"),
        (
            lambda _: clip_tower("ovdet-vit-odd"),
            r"not one of CLIP's own: it has \['ls_init_value'\]",
        ),
        (lambda _: clip_tower("swin_base_patch4_window7_224"), "not one of CLIP's own"),
        (lambda _: clip_pool("ovdet-vit"), "has no attention pool"),
        (lambda f: clip_tower("ovdet-vit", str(f / "ovdet-rn.safetensors")), "is not a ClipVit at"),
        (lambda f: clip_tower("ovdet-rn", str(f / "ovdet-vit.safetensors")), "is not a ClipResNet"),
        (lambda _: ClipImageEncoder(ClipResNet((1, 1, 1, 1), 8)), "needs a tower with a pool"),
        (lambda _: ClipImageEncoder(ClipVit(SHAPE), "a.pt"), "this one is finished"),
    ],
)
def test_what_does_not_fit_is_told(files, build, message):
    with pytest.raises(InputError, match=message):
        build(files)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"blocks must rise from 0 to 2, got \(1, 3\)"):
        ClipVit(SHAPE, blocks=(1, 3))
    with pytest.raises(ValueError, match="heads must divide width"):
        ClipAttentionPool(16, 4, heads=3)
    with pytest.raises(ValueError, match="heads must divide width, got 5"):
        ClipVitShape(heads=5)
    with pytest.raises(RuntimeError, match="only with a pool"):
        ClipResNet((1, 1, 1, 1), 8).embed(torch.rand(1, 3, 64, 64))

"""Towers of timm against open_clip's on the same random weights, through every way to name them."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from small_towers import MODELS, SIDE, TWIN, VITS, small_models

from ovdet.registry import build
from ovdet.structures import InputError, Regions
from ovdet.structures.clip_files import read_clip
from ovdet.vision import (
    ClassEverywhere,
    ClipConvNext,
    ClipImageEncoder,
    ClipMeanPool,
    SelfSelfAttention,
    TimmVit,
    ValuePath,
    clip_pool,
    clip_tower,
)
from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD

CONVNEXTS = [name for name in MODELS if "convnext" in name]


@pytest.fixture(scope="module")
def models():
    with small_models() as made:
        yield made


@pytest.fixture
def known(models, monkeypatch):
    listed = [*MODELS, "swin_base_patch4_window7_224", "ViT-B-16"]
    monkeypatch.setattr("open_clip.list_models", lambda: listed)
    return models


@pytest.fixture
def files(known, tmp_path):
    for name, model in known.items():
        torch.save({k: v.half() for k, v in model.state_dict().items()}, tmp_path / f"{name}.pt")
        folder = tmp_path / name
        folder.mkdir()
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        mean = [0.5] * 3 if "siglip" in name else CLIP_MEAN
        pixels = {"mean": mean, "std": [0.5] * 3 if "siglip" in name else CLIP_STD}
        record = {"model_cfg": MODELS[name], "preprocess_cfg": pixels}
        (folder / "open_clip_config.json").write_text(json.dumps(record))
    return tmp_path


def centred(images, name):
    if "siglip" in name:
        return (images - 0.5) / 0.5
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return (images - mean) / std


def close(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def whole(files, name):
    return str(files / name)


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_pictures_are_embedded_as_open_clip_does(known, files, name):
    images = torch.rand(3, 3, SIDE, SIDE)
    expected = known[name].encode_image(centred(images, name), normalize=True)
    by_name = ClipImageEncoder(name, whole(files, name)).eval()
    close(by_name(images), expected)
    close(ClipImageEncoder(weights=whole(files, name)).eval()(images), expected)
    assert (by_name.dim, by_name.size) == (MODELS[name]["embed_dim"], SIDE)
    assert by_name(torch.rand(0, 3, SIDE, SIDE)).shape == (0, by_name.dim)


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_halves_without_name_or_config_tells_its_architecture(known, files, name):
    encoder = ClipImageEncoder(weights=str(files / f"{name}.pt")).eval()
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    images = torch.rand(2, 3, SIDE, SIDE)
    expected = known[name].encode_image(centred(images, name), normalize=True)
    close(encoder(images), expected)


def patches(visual, images):
    """Return timm's tokens behind its last norm, without the class token."""
    trunk = visual.trunk
    return trunk.forward_features(images)[:, trunk.num_prefix_tokens :]


@torch.no_grad()
@pytest.mark.parametrize("name", VITS)
def test_the_dense_level_is_what_the_head_makes_of_each_patch(known, files, name):
    tower = clip_tower(name, whole(files, name), blocks=(0, 2)).eval()
    images = torch.rand(2, 3, SIDE, SIDE)
    visual, pixels = known[name].visual, centred(images, name)
    first, last, dense = tower(images)
    taps = visual.forward_intermediates(pixels, indices=[0, 2], intermediates_only=True)
    close(first, taps["image_intermediates"][0])
    close(last, taps["image_intermediates"][1])
    tokens, trunk = patches(visual, pixels), visual.trunk
    if trunk.attn_pool is None:
        read = trunk.head(trunk.fc_norm(tokens))
    else:  # the pooling head, shown one patch alone
        read = trunk.attn_pool(tokens.reshape(-1, 1, tokens.shape[2])).view(*tokens.shape[:2], -1)
    close(dense.flatten(2).transpose(1, 2), F.normalize(read, dim=-1))
    assert tower.widths == (48, 48)
    close(tower.last_tokens(images)[0][:, -tokens.shape[1] :], tokens)


@torch.no_grad()
@pytest.mark.parametrize("name", CONVNEXTS)
def test_levels_and_dense_readout_of_a_convnext(known, files, name):
    tower = clip_tower(name, whole(files, name), dense=True).eval()
    assert isinstance(tower, ClipConvNext)
    images = torch.rand(2, 3, 96, 64)
    visual, pixels = known[name].visual, centred(images, name)
    expected = visual.forward_intermediates(pixels, intermediates_only=True)
    *levels, dense = tower(images)
    assert tower.widths == tuple(level.shape[1] for level in levels) == (8, 16, 24, 32)
    for got, reference in zip(levels, expected["image_intermediates"], strict=True):
        close(got, reference)
    cells = levels[-1].permute(0, 2, 3, 1).reshape(-1, 32, 1, 1)  # each a picture of one cell
    read = visual.head(visual.trunk.forward_head(cells)).view(2, 3, 2, -1)
    close(dense, F.normalize(read, dim=-1).permute(0, 3, 1, 2))


@torch.no_grad()
@pytest.mark.parametrize("name", ["ovdet-eva02", "ovdet-eva", "ovdet-siglip"])
def test_a_vit_sees_larger_pictures_as_timm_does(known, files, name):
    import timm

    visual = known[name].visual
    pool = "map" if "siglip" in name else "token"
    count = 0 if "siglip" in name else 24
    options = {"num_classes": count, "global_pool": pool, "dynamic_img_size": True}
    theirs = timm.create_model(MODELS[name]["vision_cfg"]["timm_model_name"], **options).eval()
    theirs.load_state_dict(visual.trunk.state_dict())
    images = torch.rand(2, 3, 96, 160)
    tower = clip_tower(name, whole(files, name)).eval()
    close(tower.embed(images), theirs(centred(images, name)))
    assert tower(torch.rand(1, 3, 50, 71))[0].shape[-2:] == (3, 4)


@torch.no_grad()
@pytest.mark.parametrize("name", VITS)
def test_readouts_and_keys_work_on_towers_of_timm(files, name):
    tower = clip_tower(name, whole(files, name), keys=True).eval()
    images = torch.rand(1, 3, 80, 64)
    keys, dense = tower(images)
    assert keys.shape == (1, 48, 5, 4)
    own = SelfSelfAttention(pairs=("qk",))  # what the block does itself
    for readout in (own, SelfSelfAttention(("qq", "kk"), sigma=2.0), ValuePath(residual=True)):
        other = clip_tower(name, whole(files, name), readout=readout, frozen=True)
        got = other(images)[0]
        assert got.shape == dense.shape
        torch.testing.assert_close(got.norm(dim=1), torch.ones(1, 5, 4))
        if readout is own:
            close(got, dense)


@torch.no_grad()
def test_values_are_where_the_attention_of_eva_takes_them(known, files):
    """With all queries and keys alike a token is given the mean of the values."""
    tower = clip_tower("ovdet-eva02", whole(files, "ovdet-eva02")).eval()
    tokens, _ = tower.before_last(torch.rand(1, 3, SIDE, SIDE))
    block = known["ovdet-eva02"].visual.trunk.blocks[-1]
    normed = block.norm1(tokens)
    value = block.attn.v_proj(normed)
    _, _, ours = tower.resblocks[-1].attn.split(tower.resblocks[-1].ln_1(tokens))
    close(ours.transpose(1, 2).flatten(2), value)
    close(tower.resblocks[-1].attn.out_proj(value), block.attn.proj(block.attn.norm(value)))


def test_nothing_can_be_read_everywhere_without_a_class_token(files):
    tower = clip_tower("ovdet-siglip", whole(files, "ovdet-siglip"), readout=ClassEverywhere())
    with pytest.raises(InputError, match="needs a class token, this tower has none"):
        tower(torch.rand(1, 3, SIDE, SIDE))


@torch.no_grad()
def test_a_trunk_and_a_pool_of_a_convnext_load_from_the_whole_file(known, files):
    file = whole(files, "ovdet-convnext")
    trunk = clip_tower("ovdet-convnext", file, pooled=False, frozen=True)
    pool = clip_pool("ovdet-convnext", file)
    assert isinstance(pool, ClipMeanPool)
    images = torch.rand(2, 3, SIDE, SIDE)
    expected = known["ovdet-convnext"].encode_image(centred(images, "ovdet-convnext"))
    close(pool(trunk(images)[-1]), expected)
    with pytest.raises(RuntimeError, match="only with a pool"):
        trunk.embed(images)


@torch.no_grad()
@pytest.mark.usefixtures("known")
def test_configs_take_them_by_changing_a_name(files):
    file = whole(files, "ovdet-convnext")
    tower = {"type": "ClipTower", "name": "ovdet-convnext", "weights": file, "pooled": False}
    trunk = build({"type": "TowerPyramid", "trunk": tower, "width": 8}, "trunk")
    pool = {"type": "ClipPool", "name": "ovdet-convnext", "weights": file}
    embedder = build({"type": "TowerEmbedder", "pool": pool, "size": 2}, "embedder")
    regions = Regions(torch.tensor([[4.0, 4, 40, 50]]), torch.zeros(1, dtype=torch.int64))
    levels = trunk(torch.rand(1, 3, 64, 64))
    assert [level.shape[1] for level in levels] == [8, 8, 8, 8, 32]
    assert embedder(levels, regions, 64).shape == (1, 24)


def test_towers_learn_unless_they_are_frozen(files):
    for name in ("ovdet-eva02", "ovdet-siglip", "ovdet-convnext"):
        encoder = ClipImageEncoder(clip_tower(name, whole(files, name)))
        encoder.train()
        (encoder(torch.rand(2, 3, SIDE, SIDE)) @ torch.randn(encoder.dim)).sum().backward()
        assert all(p.grad is not None for p in encoder.parameters())
        still = clip_tower(name, whole(files, name), frozen=True).train()
        assert not any(p.requires_grad for p in still.parameters())
        assert not any(part.training for part in still.modules())


def test_scale_and_bias_are_facts_of_the_model(known, files):
    model = known["ovdet-siglip"]
    read = read_clip(files / "ovdet-siglip")
    assert read.scale == pytest.approx(model.logit_scale.exp().item())
    assert read.bias == pytest.approx(model.logit_bias.item())
    assert read.pixels == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert read_clip(files / "ovdet-eva").bias is None


def test_what_a_tower_does_not_have_is_counted_and_five_are_named(known, files, tmp_path):
    more = {f"visual.trunk.extra.{i}": torch.zeros(1) for i in range(7)}
    torch.save(known["ovdet-eva02"].state_dict() | more, tmp_path / "more.pt")
    names = ", ".join(f"trunk.extra.{i}" for i in range(5))
    with pytest.raises(InputError) as caught:
        clip_tower("ovdet-eva02", str(tmp_path / "more.pt"))
    place = tmp_path / "more.pt"
    assert str(caught.value) == f"{place}: is not a TimmVit at 'visual.': 7 unexpected: {names}"
    with pytest.raises(InputError, match="its weights are of no image tower of open_clip's: give"):
        clip_tower(weights=str(tmp_path / "more.pt"))
    assert files


def test_weights_of_two_architectures_are_not_guessed_at(files, monkeypatch):
    from open_clip.factory import _MODEL_CONFIGS

    monkeypatch.setitem(_MODEL_CONFIGS, "ovdet-twin", TWIN)
    monkeypatch.setattr("open_clip.list_models", lambda: [*MODELS, "ovdet-twin"])
    with pytest.raises(InputError, match=r"may be those of ovdet-eva or ovdet-twin: give open_cl"):
        clip_tower(weights=str(files / "ovdet-eva.pt"))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda _: clip_tower("swin_base_patch4_window7_224"), "is not one of CLIP's own, nor"),
        (lambda _: clip_tower("ovdet-convnext", keys=True), "of a ViT: this tower is a ConvNeXt"),
        (lambda _: clip_pool("ovdet-eva"), "no attention pool or mean of maps"),
        (
            lambda f: clip_tower("ovdet-eva", str(f / "ovdet-convnext.pt")),
            r"is not a TimmVit at 'visual\.': \d+ lacking: trunk\.cls_token, ",
        ),
        (
            lambda f: clip_tower("ovdet-convnext", str(f / "ovdet-convnext-mlp.pt")),
            r"1 lacking: pool\.project\.proj\.weight; 3 unexpected: pool\.project\.mlp\.fc1",
        ),
    ],
)
def test_what_does_not_fit_is_told(files, build, message):
    with pytest.raises(InputError, match=message):
        build(files)


def test_arguments_are_checked():
    from timm.models.convnext import ConvNeXt
    from timm.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(img_size=32, patch_size=16, embed_dim=8, depth=2, num_heads=1)
    with pytest.raises(ValueError, match=r"blocks must rise from 0 to 1, got \(2,\)"):
        TimmVit(vit, blocks=(2,))
    with pytest.raises(ValueError, match="a dense level needs a pool"):
        ClipConvNext(ConvNeXt(depths=(1, 1, 1, 1), dims=(4, 4, 4, 4)), dense=True)

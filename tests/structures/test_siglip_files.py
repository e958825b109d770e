"""SigLIP in transformers' folders: the numbers that transformers gives."""

import json

import pytest
import torch
import torch.nn.functional as F
from small_towers import enlivened, write_tokenizer

from ovdet.structures import InputError
from ovdet.structures.clip_files import read_clip
from ovdet.text import OpenClipText
from ovdet.vision import ClipImageEncoder, TimmVit, clip_tower

NAMES = ["a red car", "Cat", "some words that are many more than one row of ids can hold at all"]
SIZES = {
    "hidden_size": 48,
    "intermediate_size": 90,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
}
VISION = SIZES | {"image_size": 64, "patch_size": 16}
TEXT = SIZES | {"vocab_size": 60, "max_position_embeddings": 12}


def written(folder, **vision):
    import transformers

    config = transformers.SiglipConfig(text_config=TEXT, vision_config=VISION | vision)
    torch.manual_seed(0)
    model = enlivened(transformers.SiglipModel(config).eval())
    model.save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("siglip")


@pytest.fixture(scope="module")
def model(folder):
    write_tokenizer(folder)
    return written(folder)


def close(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_both_towers_give_what_transformers_gives(folder, model):
    from transformers import AutoTokenizer

    images = torch.rand(2, 3, 64, 64)
    ids = AutoTokenizer.from_pretrained(folder)(
        NAMES, padding="max_length", max_length=12, truncation=True, return_tensors="pt"
    )["input_ids"]
    theirs = model(input_ids=ids, pixel_values=(images - 0.5) / 0.5)
    image, text = ClipImageEncoder(weights=str(folder)).eval(), OpenClipText(weights=str(folder))
    assert isinstance(image.tower, TimmVit)
    close(image(images), theirs.image_embeds)
    close(text.eval().encode(NAMES), theirs.text_embeds)
    logits = theirs.text_embeds @ theirs.image_embeds.T * text.scale + text.bias
    close(logits, theirs.logits_per_text)
    assert (image.size, image.dim, text.dim, text.tokenizer.context) == (64, 48, 48, 12)


@torch.no_grad()
def test_patch_tokens_of_any_size_of_pictures(folder, model):
    tower = clip_tower(weights=str(folder)).eval()
    images = torch.rand(1, 3, 128, 80)
    states = model.vision_model((images - 0.5) / 0.5, interpolate_pos_encoding=True)
    tokens, grid = tower.last_tokens(images)
    assert grid == (8, 5)
    close(tokens, states.last_hidden_state)
    close(tower.embed(images), states.pooler_output)
    alone = model.vision_model.head(states.last_hidden_state.view(40, 1, 48))
    expected = F.normalize(alone, dim=-1).view(1, 8, 5, 48).permute(0, 3, 1, 2)
    close(tower(images)[0], expected)


def test_a_folder_says_all_of_it(folder, model):
    read = read_clip(folder)
    assert read.scale == pytest.approx(model.logit_scale.exp().item())
    assert read.bias == pytest.approx(model.logit_bias.item())
    assert read.pixels == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (None, {"model_type": "siglip2"}, r"NaFlex models of SigLIP 2 \(siglip2\) cannot be used"),
        ("vision_config", {"hidden_act": "relu"}, "hidden_act must be one of"),
        ("vision_config", {"vision_use_head": False}, "vision_use_head must be true"),
    ],
)
def test_settings_that_are_not_siglips(model, tmp_path, part, change, message):
    model.save_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    (record if part is None else record[part]).update(change)
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=message):
        read_clip(tmp_path)


def test_a_lost_projection_is_told(model, tmp_path):
    from safetensors.torch import save_file

    model.save_pretrained(tmp_path)
    state = model.state_dict()
    state.pop("vision_model.encoder.layers.1.self_attn.k_proj.weight")
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"blocks\.1\.attn\.qkv\.weight needs weights for q, k"):
        read_clip(tmp_path)


def test_a_folder_without_its_tokenizer(model, tmp_path):
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"must hold the model's tokenizer, tokenizer\.json or"):
        OpenClipText(weights=str(tmp_path))

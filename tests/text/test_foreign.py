"""SigLIP's text tower in open_clip's folders, with a tokenizer of its own."""

import json

import pytest
import torch
from safetensors.torch import save_file
from small_towers import MODELS, small_models, write_tokenizer

from ovdet.structures import InputError, Vocabulary
from ovdet.text import LearnedPrompts, OpenClipText, TextClasses, TunedTextClasses
from ovdet.text.foreign import FolderTokenizer

NAME = "ovdet-siglip"
TEXTS = ["A Red_Car!", "cat", "a b c d e f g h i j k l m n o p"]


@pytest.fixture(scope="module")
def models():
    with small_models() as made:
        yield made


@pytest.fixture
def folder(models, tmp_path, monkeypatch):
    monkeypatch.setattr("open_clip.list_models", lambda: [*MODELS, "ViT-B-16"])
    save_file(models[NAME].state_dict(), tmp_path / "open_clip_model.safetensors")
    write_tokenizer(tmp_path)
    record = {"model_cfg": MODELS[NAME]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(record))
    return tmp_path


def as_open_clip(model, folder, texts):
    from open_clip.tokenizer import HFTokenizer

    ids = HFTokenizer(str(folder), context_length=12, clean="canonicalize")(texts)
    return model.encode_text(ids, normalize=True)


@torch.no_grad()
@pytest.mark.parametrize("name", [NAME, None])
def test_texts_are_embedded_as_open_clip_does(models, folder, name):
    encoder = OpenClipText(name, str(folder)).eval()
    expected = as_open_clip(models[NAME], folder, TEXTS)
    torch.testing.assert_close(encoder.encode(TEXTS, batch=2), expected, atol=1e-5, rtol=0)
    assert encoder.scale == pytest.approx(models[NAME].logit_scale.exp().item())
    assert encoder.bias == pytest.approx(models[NAME].logit_bias.item())


@torch.no_grad()
def test_classes_of_any_vocabulary(models, folder):
    text = TextClasses(OpenClipText(weights=str(folder)), templates=["a {}"])
    for names in (["cat", "red car", "kite"], ["lamp"]):
        got = text(Vocabulary.of(names)).classes
        expected = as_open_clip(models[NAME], folder, [f"a {name}" for name in names])
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    assert text(Vocabulary.of(["cat"])).classes.shape == (1, 48)
    tuned = TunedTextClasses(OpenClipText(weights=str(folder)), templates=["a {}"])
    assert tuned(Vocabulary.of(["cat", "kite"])).classes.shape == (2, 48)


@torch.no_grad()
def test_eva_and_convnext_read_clips_tokens(models, tmp_path, monkeypatch):
    monkeypatch.setattr("open_clip.list_models", lambda: list(MODELS))
    from ovdet.text import ClipTokenizer

    for name in ("ovdet-eva02", "ovdet-convnext"):
        save_file(models[name].state_dict(), tmp_path / f"{name}.safetensors")
        expected = models[name].encode_text(ClipTokenizer()(TEXTS), normalize=True)
        for given in (name, None):
            encoder = OpenClipText(given, str(tmp_path / f"{name}.safetensors")).eval()
            torch.testing.assert_close(encoder.encode(TEXTS), expected, atol=1e-5, rtol=0)


def test_another_tokenizer_is_another_fingerprint(folder):
    before = OpenClipText(weights=str(folder)).fingerprint()
    place = folder / "tokenizer.json"
    place.write_text(place.read_text().replace('"cat"', '"kat"'))
    assert OpenClipText(weights=str(folder)).fingerprint() != before


def test_made_up_words_are_refused(folder):
    encoder = OpenClipText(weights=str(folder))
    with pytest.raises(InputError, match="reads tokens of its own and only whole texts"):
        LearnedPrompts(encoder, length=4)
    with pytest.raises(InputError, match="reads tokens of its own and only whole texts"):
        encoder.encode_tokens(torch.zeros(1, 12, dtype=torch.int64))


def test_a_name_alone_has_no_tokenizer(folder):
    with pytest.raises(InputError, match="give weights in a folder that holds its tokenizer"):
        OpenClipText(NAME)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="its tokenizer: "):
        FolderTokenizer(folder, 12)

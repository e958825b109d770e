import pickle

import pytest
import torch
import torch.nn.functional as F

from ovdet.structures import InputError
from ovdet.text import ClipTokenizer, OpenClipText, TransformersText

TEXTS = ["a red car", "a", "a rather long and winding description of one thing", "!!"]
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 16,
}


@pytest.fixture(scope="module")
def whole():
    """A small open_clip model, its name known to open_clip for the length of the module."""
    import open_clip
    from open_clip.factory import _MODEL_CONFIGS

    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    image = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
    small = {"embed_dim": 16, "vision_cfg": image, "text_cfg": text}
    added = {
        "ovdet-small": small,
        "ovdet-small-quickgelu": {**small, "quick_gelu": True},
        "ovdet-small-padded": {**small, "text_cfg": {**text, "no_causal_mask": True}},
    }
    _MODEL_CONFIGS.update(added)
    torch.manual_seed(0)
    yield {name: open_clip.create_model(name).eval() for name in added}
    for name in added:
        del _MODEL_CONFIGS[name]


@pytest.fixture(autouse=True)
def known(whole, monkeypatch):
    monkeypatch.setattr(
        "open_clip.list_models", lambda: [*whole, "coca_ViT-B-32", "ViT-B-16-SigLIP"]
    )


@pytest.mark.parametrize("name", ["ovdet-small", "ovdet-small-quickgelu", "ovdet-small-padded"])
@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_open_clip_towers_give_what_open_clip_gives(whole, name, kind, tmp_path):
    from safetensors.torch import save_file

    file = tmp_path / f"clip.{kind}"
    if kind == "pt":
        torch.save(
            {"state_dict": {f"module.{k}": v for k, v in whole[name].state_dict().items()}}, file
        )
    else:
        save_file(whole[name].state_dict(), file)
    encoder = OpenClipText(name, str(file)).eval()
    expected = whole[name].encode_text(ClipTokenizer()(TEXTS), normalize=True).detach()
    torch.testing.assert_close(encoder.encode(TEXTS, batch=2), expected, atol=1e-5, rtol=0)


def test_open_clip_custom_towers_are_found_behind_their_prefix(whole, tmp_path):
    plain, tower = whole["ovdet-small"], OpenClipText("ovdet-small").tower
    keys = tower.state_dict().keys()
    state = {f"text.{k}": v for k, v in plain.state_dict().items() if k in keys}
    torch.save({**state, "visual.proj": torch.zeros(1)}, tmp_path / "custom.pt")
    encoder = OpenClipText("ovdet-small", str(tmp_path / "custom.pt"))
    expected = plain.encode_text(ClipTokenizer()(TEXTS), normalize=True).detach()
    torch.testing.assert_close(encoder.encode(TEXTS), expected, atol=1e-5, rtol=0)


def test_a_name_in_the_zoo_is_as_good_as_a_path(whole, tmp_path, monkeypatch):
    torch.save(whole["ovdet-small"].state_dict(), tmp_path / "clip.pt")
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    expected = OpenClipText("ovdet-small", str(tmp_path / "clip.pt")).encode(TEXTS)
    assert torch.equal(OpenClipText("ovdet-small", "clip.pt").encode(TEXTS), expected)


def test_activations_are_part_of_the_fingerprint(whole, tmp_path):
    torch.save(whole["ovdet-small"].state_dict(), tmp_path / "clip.pt")
    names = ("ovdet-small", "ovdet-small-quickgelu")
    prints = {OpenClipText(name, str(tmp_path / "clip.pt")).fingerprint() for name in names}
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ovdet-smal", "did you mean 'ovdet-small'"),
        ("hf-hub:someone/something", "has no model"),
        ("coca_ViT-B-32", "CLIP's tokens alone"),
        ("ViT-B-16-SigLIP", "CLIP's tokens alone"),
    ],
)
def test_open_clip_models_that_do_not_fit_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        OpenClipText(name)


class Trap:
    def __reduce__(self):
        return print, ("sprung",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda file: torch.save({"other.weight": torch.zeros(2)}, file),
            r"holds 1 weights that CLIP does not have: other\.weight",
        ),
        (
            lambda file: torch.save({"ln_final.weight": torch.zeros(2)}, file),
            "is not the text tower of",
        ),
        (lambda file: torch.save([1, 2], file), "holds no weights of CLIP"),
        (lambda file: file.write_bytes(b"short"), "cannot be read as weights"),
        (lambda file: file.write_bytes(b""), "cannot be read as weights"),
        (lambda file: file.write_bytes(pickle.dumps(Trap())), "cannot be read as weights"),
        (lambda file: torch.save(Trap(), file), "cannot be read as weights"),
        (lambda _: None, "cannot be read as weights"),
    ],
)
def test_files_that_are_not_weights_are_refused(content, message, tmp_path, capsys):
    file = tmp_path / "clip.pt"
    content(file)
    with pytest.raises(InputError, match=message):
        OpenClipText("ovdet-small", str(file))
    assert "sprung" not in capsys.readouterr().out


def test_a_broken_safetensors_file_is_refused(tmp_path):
    (tmp_path / "clip.safetensors").write_bytes(b"\x10" + bytes(20))
    with pytest.raises(InputError, match="cannot be read as weights"):
        OpenClipText("ovdet-small", str(tmp_path / "clip.safetensors"))


@pytest.mark.parametrize("eos", [49407, 2])
def test_transformers_towers_give_what_transformers_gives(eos, tmp_path):
    torch.manual_seed(0)
    made = TransformersText(config={**SMALL, "eos_token_id": eos})
    made.tower.save_pretrained(tmp_path)
    encoder = TransformersText(str(tmp_path))
    ids = ClipTokenizer()(TEXTS)
    expected = F.normalize(made.tower.eval()(input_ids=ids).text_embeds.detach(), dim=-1)
    torch.testing.assert_close(encoder.encode(TEXTS, batch=2), expected, atol=1e-5, rtol=0)
    assert encoder.fingerprint() == made.fingerprint()


def test_a_whole_clip_model_holds_a_text_tower(tmp_path):
    from transformers import CLIPConfig, CLIPModel

    sides = {"image_size": 32, "patch_size": 16, "num_hidden_layers": 1}
    config = CLIPConfig(text_config=SMALL, vision_config={**SMALL, **sides}, projection_dim=16)
    model = CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    ids = ClipTokenizer()(TEXTS)
    states = model.text_model(input_ids=ids).pooler_output
    expected = F.normalize(model.text_projection(states).detach(), dim=-1)
    got = TransformersText(str(tmp_path)).encode(TEXTS)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_transformers_arguments_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="either a path or a config"):
        TransformersText()
    with pytest.raises(InputError, match="no options \\['hiden_size'\\]"):
        TransformersText(config={"hiden_size": 3})
    with pytest.raises(InputError, match="49408, got 100"):
        TransformersText(config={**SMALL, "vocab_size": 100})
    with pytest.raises(InputError, match="must be a folder"):
        TransformersText("someone/something")
    with pytest.raises(InputError, match="cannot be read"):
        TransformersText(str(tmp_path))


def test_a_tower_without_projection_is_refused(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel

    CLIPTextModel(CLIPTextConfig(**SMALL)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds no text_projection"):
        TransformersText(str(tmp_path))


def test_towers_can_be_trained():
    for encoder in (OpenClipText("ovdet-small"), TransformersText(config=SMALL)):
        encoder(encoder.tokenizer(TEXTS)).sum().backward()
        assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize(
    "build", [lambda: OpenClipText("ovdet-small"), lambda: TransformersText(config=SMALL)]
)
def test_towers_read_words_that_are_given_as_vectors(build):
    torch.manual_seed(0)
    encoder = build().eval()
    ids = encoder.tokenizer(TEXTS)
    embedded = encoder.embed_ids(ids)
    ends = torch.tensor([4, 2, 3, 1])
    some, every = encoder.read(embedded, ends), encoder.read(embedded)
    torch.testing.assert_close(every[torch.arange(4), ends], some)
    changed = embedded.clone()
    changed[0, 2] = torch.randn(embedded.shape[-1])
    other = encoder.read(changed, ends)
    assert not torch.allclose(other[0], some[0], atol=1e-3)
    torch.testing.assert_close(other[1:], some[1:])
    torch.testing.assert_close(
        F.normalize(encoder.read(embedded, (ids == 49407).int().argmax(1)), dim=-1), encoder(ids)
    )


@torch.no_grad()
def test_all_states_equal_those_of_transformers():
    torch.manual_seed(0)
    encoder = TransformersText(config=SMALL).eval()
    ids = encoder.tokenizer(TEXTS)
    states = encoder.tower.text_model(input_ids=ids).last_hidden_state
    expected = encoder.tower.text_projection(states)
    torch.testing.assert_close(encoder.read(encoder.embed_ids(ids)), expected)

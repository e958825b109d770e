"""One small CLIP in all the layouts it is published in: the same numbers through every door.

OpenAI's layout is written down here from its published names; open_clip and transformers save
their own models.
"""

import json

import pytest
import torch
from safetensors.torch import save_file

from ovdet.structures import InputError
from ovdet.structures.clip_files import read_clip
from ovdet.text import ClipTokenizer, OpenClipText
from ovdet.vision import ClipImageEncoder, ClipResNet, ClipVit, clip_tower
from ovdet.vision.pixels import CLIP_MEAN, CLIP_STD

WIDTH, TEXT_WIDTH, DIM, LAYERS, PATCH, GRID, CONTEXT = 128, 64, 24, 2, 16, 3, 20
NAMES = ["a red car", "cat"]


def block(width, prefix):
    shapes = {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
    } | {f"ln_{i}.{kind}": (width,) for i in (1, 2) for kind in ("weight", "bias")}
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def openai_layout():
    """Names and shapes of OpenAI's ViT files, small."""
    shapes = {
        "positional_embedding": (CONTEXT, TEXT_WIDTH),
        "text_projection": (TEXT_WIDTH, DIM),
        "logit_scale": (),
        "token_embedding.weight": (49408, TEXT_WIDTH),
        "visual.class_embedding": (WIDTH,),
        "visual.positional_embedding": (GRID**2 + 1, WIDTH),
        "visual.proj": (WIDTH, DIM),
        "visual.conv1.weight": (WIDTH, 3, PATCH, PATCH),
    }
    norms = {"ln_final": TEXT_WIDTH, "visual.ln_pre": WIDTH, "visual.ln_post": WIDTH}
    for name, width in norms.items():
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for layer in range(LAYERS):
        shapes |= block(WIDTH, f"visual.transformer.resblocks.{layer}")
        shapes |= block(TEXT_WIDTH, f"transformer.resblocks.{layer}")
    return shapes


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(0)
    # What half precision can hold, so that a file of halves is the same model.
    return {
        name: (torch.randn(shape, generator=generator) * 0.1).half().float()
        for name, shape in openai_layout().items()
    }


SCALARS = {
    "input_resolution": torch.tensor(PATCH * GRID),
    "context_length": torch.tensor(CONTEXT),
    "vocab_size": torch.tensor(49408),
}


def openai_dict(weights, folder):
    torch.save(weights | SCALARS, folder / "ViT.pt")
    return folder / "ViT.pt"


class Branch(torch.nn.Module):
    """A tree of parameters of given names, as an archive holds it."""

    def __init__(self, weights):
        super().__init__()
        for name, value in weights.items():
            first, _, rest = name.partition(".")
            if not rest:
                self.register_buffer(first, value)
            elif first not in self._modules:
                inner = {k: v for k, v in weights.items() if k.startswith(f"{first}.")}
                own = {k.removeprefix(f"{first}."): v for k, v in inner.items()}
                self.add_module(first, Branch(own))

    def forward(self, x):
        return x


def openai_archive(weights, folder):
    """A script in half precision, as OpenAI's files are."""
    halves = {name: value.half() for name, value in weights.items()}
    torch.jit.trace(Branch(halves | SCALARS), torch.zeros(1)).save(folder / "ViT.pt")
    return folder / "ViT.pt"


def open_clip_config():
    vision = {
        "image_size": PATCH * GRID,
        "layers": LAYERS,
        "width": WIDTH,
        "patch_size": PATCH,
        "head_width": 64,
    }
    text = {
        "context_length": CONTEXT,
        "vocab_size": 49408,
        "width": TEXT_WIDTH,
        "heads": 1,
        "layers": LAYERS,
    }
    return {"embed_dim": DIM, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


def open_clip_model(weights):
    import open_clip

    model = open_clip.model.CLIP(**open_clip_config()).eval()
    model.load_state_dict(weights)
    return model


def open_clip_folder(weights, folder):
    save_file(open_clip_model(weights).state_dict(), folder / "open_clip_model.safetensors")
    config = json.dumps({"model_cfg": open_clip_config(), "preprocess_cfg": {}})
    (folder / "open_clip_config.json").write_text(config)
    return folder


def laion_file(weights, folder):
    """A training checkpoint of LAION's: nested, from a parallel wrapper, pickled."""
    open_clip_folder(weights, folder)
    state = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 3, "state_dict": state}, folder / "open_clip_pytorch_model.bin")
    return folder / "open_clip_pytorch_model.bin"


def custom_text(weights, folder):
    """open_clip's layout where the text tower is a module of its own."""
    open_clip_folder(weights, folder)
    own = ("visual.", "logit_scale")
    named = {n if n.startswith(own) else f"text.{n}": v for n, v in weights.items()}
    save_file(named, folder / "model.safetensors")
    return folder / "model.safetensors"


def transformers_model(weights):
    import transformers

    text = {
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 1,
        "max_position_embeddings": CONTEXT,
        "eos_token_id": 49407,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "image_size": PATCH * GRID,
        "patch_size": PATCH,
    }
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIM)
    model = transformers.CLIPModel(config).eval()
    model.load_state_dict(in_theirs(weights, model), strict=False)
    return model


def in_theirs(weights, model):
    """OpenAI's weights under transformers' names (the table of their conversion script)."""
    state = {}
    for name in model.state_dict():
        if name.endswith("position_ids"):
            continue
        own = name
        for theirs, ours in TABLE:
            own = own.replace(theirs, ours)
        if part := next((p for p in "qkv" if f".{p}_proj." in own), None):
            own = own.replace(f".{part}_proj.", ".in_proj_")
            state[name] = weights[own].chunk(3)["qkv".index(part)]
        else:
            state[name] = (
                weights[own].T if own in {"visual.proj", "text_projection"} else weights[own]
            )
    return state


TABLE = [
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.patch_embedding", "visual.conv1"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm", "visual.ln_pre"),
    ("vision_model.post_layernorm", "visual.ln_post"),
    ("vision_model.encoder.layers", "visual.transformer.resblocks"),
    ("visual_projection.weight", "visual.proj"),
    ("text_model.embeddings.token_embedding", "token_embedding"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.encoder.layers", "transformer.resblocks"),
    ("text_model.final_layer_norm", "ln_final"),
    ("text_projection.weight", "text_projection"),
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
    ("self_attn", "attn"),
]


def transformers_folder(weights, folder):
    transformers_model(weights).save_pretrained(folder)
    return folder


DOORS = [
    openai_dict,
    openai_archive,
    open_clip_folder,
    laion_file,
    custom_text,
    transformers_folder,
]


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, PATCH * GRID, PATCH * GRID, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
@torch.no_grad()
def reference(weights, images):
    """What open_clip says, which transformers must agree with."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    pixels, ids = (images - mean) / std, ClipTokenizer(CONTEXT)(NAMES)
    model = open_clip_model(weights)
    seen = model.encode_image(pixels, normalize=True), model.encode_text(ids, normalize=True)
    theirs = transformers_model(weights)(input_ids=ids, pixel_values=pixels)
    torch.testing.assert_close(theirs.image_embeds, seen[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(theirs.text_embeds, seen[1], atol=1e-4, rtol=0)
    return seen


@torch.no_grad()
@pytest.mark.parametrize("write", DOORS, ids=lambda door: door.__name__)
def test_the_same_numbers_through_every_door(write, weights, images, reference, tmp_path):
    place = str(write(weights, tmp_path))
    image, text = ClipImageEncoder(weights=place).eval(), OpenClipText(weights=place).eval()
    assert isinstance(image.tower, ClipVit)
    assert {p.dtype for p in (*image.parameters(), *text.parameters())} == {torch.float32}
    torch.testing.assert_close(image(images), reference[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(text.encode(NAMES), reference[1], atol=1e-4, rtol=0)
    assert (image.size, image.dim, text.dim) == (PATCH * GRID, DIM, DIM)
    assert text.tokenizer.context == CONTEXT
    for name, value in image.tower.state_dict().items():
        assert torch.equal(value, weights[f"visual.{name}"])


@torch.no_grad()
def test_a_resnet_by_its_file(tmp_path):
    import open_clip

    config = open_clip_config()
    config["vision_cfg"] = {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8}
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**config).eval()
    torch.save(model.state_dict() | SCALARS, tmp_path / "RN.pt")
    tower = clip_tower(weights=str(tmp_path / "RN.pt")).eval()
    assert isinstance(tower, ClipResNet)
    images = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    expected = model.encode_image((images - mean) / std)
    torch.testing.assert_close(tower.embed(images), expected, atol=1e-4, rtol=1e-4)


def test_what_clip_does_not_have_is_counted_and_five_are_named(weights, tmp_path):
    more = {f"decoder.{i}.weight": torch.zeros(1) for i in range(7)}
    torch.save(weights | more, tmp_path / "more.pt")
    names = ", ".join(f"decoder.{i}.weight" for i in range(5))
    with pytest.raises(InputError) as caught:
        read_clip(tmp_path / "more.pt")
    place = tmp_path / "more.pt"
    assert str(caught.value) == f"{place}: holds 7 weights that CLIP does not have: {names}"


def test_scaled_blocks_and_towers_of_timm_are_refused(weights, tmp_path):
    for name in ("visual.transformer.resblocks.0.ls_1.gamma", "visual.trunk.stem.weight"):
        torch.save(weights | {name: torch.zeros(1)}, tmp_path / "odd.pt")
        with pytest.raises(InputError, match=f"holds 1 weights that CLIP does not have: {name}"):
            read_clip(tmp_path / "odd.pt")


def test_an_unknown_activation_is_asked_for(weights, tmp_path):
    torch.save(weights, tmp_path / "a.pt")
    for build in (ClipImageEncoder, OpenClipText):
        with pytest.raises(InputError, match="give open_clip's name of the model"):
            build(weights=str(tmp_path / "a.pt"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act must be one of"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps must be 1e-05, got 1e-06"),
        ({"hidden_act": "gelu"}, "both towers must have the same hidden_act"),
    ],
)
def test_settings_that_are_not_clips(weights, tmp_path, change, message):
    transformers_folder(weights, tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    record["vision_config"] |= change
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=message):
        read_clip(tmp_path)


def test_a_missing_half_is_told(weights, tmp_path):
    images = {k: v for k, v in weights.items() if k.startswith("visual.")}
    torch.save(images | SCALARS, tmp_path / "image.pt")
    torch.save(
        {k: v for k, v in weights.items() if k not in images} | SCALARS, tmp_path / "text.pt"
    )
    with pytest.raises(InputError, match=r"no text tower, it lacks 'token_embedding\.weight'"):
        OpenClipText(weights=str(tmp_path / "image.pt"))
    with pytest.raises(InputError, match=r"holds no image tower, it lacks 'conv1\.weight'"):
        ClipImageEncoder(weights=str(tmp_path / "text.pt"))


def test_neither_name_nor_file():
    with pytest.raises(InputError, match="needs a name, a file of weights, or both"):
        clip_tower()
    with pytest.raises(InputError, match="needs a name, a file of weights, or both"):
        OpenClipText()


def test_an_empty_folder_lists_what_it_may_hold(tmp_path):
    with pytest.raises(InputError, match=r"must hold weights, one of model\.safetensors, open_"):
        read_clip(tmp_path)

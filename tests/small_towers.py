"""Small open_clip models whose image towers are timm's, with noise in all of their weights."""

import contextlib

import torch
from timm.models import eva, register_model
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer

SIDE = 64
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
SIGLIP_TEXT = {
    "context_length": 12,
    "vocab_size": 60,
    "hf_tokenizer_name": "somewhere/else",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "width": 48,
    "heads": 2,
    "layers": 2,
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
    "norm_kwargs": {"eps": 1e-6},
    "act_kwargs": {"approximate": "tanh"},
}
EVA = {"img_size": SIDE, "patch_size": 16, "embed_dim": 48, "depth": 3, "num_heads": 2}
EVA02 = EVA | {
    "qkv_fused": False,
    "mlp_ratio": 8 / 3,
    "swiglu_mlp": True,
    "scale_mlp": True,
    "scale_attn_inner": True,
    "use_rot_pos_emb": True,
    "ref_feat_shape": (16, 16),
}


@register_model
def eva02_ovdet(pretrained=False, **options):
    del pretrained
    return eva.Eva(**EVA02, **_own(options))


@register_model
def eva02_ovdet_behind(pretrained=False, **options):
    """As EVA02-E: norms behind the branches, no turned positions."""
    del pretrained
    return eva.Eva(**EVA, mlp_ratio=3.0, use_post_norm=True, **_own(options))


@register_model
def eva02_ovdet_twin(pretrained=False, **options):
    """Weights of the names and shapes of ``eva_ovdet``, another model."""
    del pretrained
    return eva.Eva(**EVA, use_post_norm=True, **_own(options))


@register_model
def eva_ovdet(pretrained=False, **options):
    del pretrained
    return eva.Eva(**EVA, **_own(options))


@register_model
def vit_ovdet_patch16_siglip(pretrained=False, **options):
    del pretrained
    own = {"class_token": False, "act_layer": "gelu_tanh", "mlp_ratio": 2.0}
    return VisionTransformer(**EVA, **own, **_own(options))


@register_model
def convnext_ovdet(pretrained=False, **options):
    del pretrained
    model = ConvNeXt(depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), **_own(options))
    model.default_cfg = {"pool_size": (2, 2)}  # open_clip looks there
    return model


def _own(options):
    """What timm hands to a model's function besides its options."""
    return {k: v for k, v in options.items() if not k.startswith(("pretrained", "cache"))}


def _vision(name, pool, projection):
    return {
        "image_size": SIDE,
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": projection,
    }


def _model(name, pool, projection, text=TEXT, **more):
    return {
        "embed_dim": more.pop("dim", 24),
        "vision_cfg": _vision(name, pool, projection),
        "text_cfg": text,
        **more,
    }


MODELS = {
    "ovdet-eva02": _model("eva02_ovdet", "token", None, custom_text=True),
    "ovdet-eva02-behind": _model("eva02_ovdet_behind", "token", None, custom_text=True),
    "ovdet-eva": _model("eva_ovdet", "token", None, custom_text=True),
    "ovdet-siglip": _model(
        "vit_ovdet_patch16_siglip",
        "map",
        "none",
        SIGLIP_TEXT,
        dim=48,
        custom_text=True,
        init_logit_bias=-10,
    ),
    "ovdet-convnext": _model("convnext_ovdet", "", "linear"),
    "ovdet-convnext-mlp": _model("convnext_ovdet", "", "mlp"),
}
VITS = [name for name in MODELS if "convnext" not in name]
TWIN = _model("eva02_ovdet_twin", "token", None, custom_text=True)


@contextlib.contextmanager
def small_models():
    """Make the models, their names known to open_clip meanwhile."""
    import open_clip
    from open_clip.factory import _MODEL_CONFIGS

    _MODEL_CONFIGS.update(MODELS)
    torch.manual_seed(0)
    made = {name: enlivened(open_clip.create_model(name).eval()) for name in MODELS}
    yield made
    for name in MODELS:
        del _MODEL_CONFIGS[name]


def enlivened(model):
    """Return a model with noise in all its weights, norms and biases too, which halves can hold."""
    with torch.no_grad():
        for value in model.parameters():
            value.copy_((value + torch.randn_like(value) * 0.1).half())
    return model


def write_tokenizer(folder, vocabulary=60):
    """Write letters and the end of a text as transformers' tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", "cat", "red", "car"]
    known = {piece: i for i, piece in enumerate(pieces)}
    inner = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    assert len(tokenizer) <= vocabulary
    tokenizer.save_pretrained(folder)
    return tokenizer

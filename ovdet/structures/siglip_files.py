"""SigLIP in transformers' layout, brought to open_clip's, whose image tower is timm's.

Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023,
https://arxiv.org/abs/2303.15343; SigLIP 2 (https://arxiv.org/abs/2502.14786) has the same towers,
but for its NaFlex models, whose patches come in sequences.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ovdet.structures.errors import InputError
from ovdet.structures.files import read_json
from ovdet.structures.weights import pack_attention

_CONFIG = "config.json"
_VISION = "visual.trunk."
_POOL = f"{_VISION}attn_pool."
_ACTIVATIONS = {"gelu_pytorch_tanh": "tanh", "gelu": "none"}


def is_siglip(folder: Path) -> bool:
    """Tell whether a folder of transformers holds a SigLIP.

    Raises:
        InputError: If it holds a NaFlex model, or its configuration cannot be read.
    """
    place = folder / _CONFIG
    kind = read_json(place).get("model_type")
    if kind == "siglip2":
        raise InputError(f"{place}: NaFlex models of SigLIP 2 (siglip2) cannot be used")
    return bool(kind == "siglip")


def rename_siglip(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return transformers' weights under open_clip's names; names that are none of theirs stay.

    Args:
        weights: Of a whole model.
        path: Where they come from, for messages.

    Raises:
        InputError: If queries, keys or values of an attention are missing.
    """
    renamed = {_rename(name): value for name, value in weights.items()}
    positions = f"{_VISION}pos_embed"
    if positions in renamed:
        renamed[positions] = renamed[positions][None]  # timm keeps B = 1 in front
    for kind in ("weight", "bias"):
        packed = renamed.pop(f"{_POOL}in_proj_{kind}", None)
        if packed is not None:
            query, *rest = packed.chunk(3)
            renamed |= {f"{_POOL}q.{kind}": query, f"{_POOL}kv.{kind}": torch.cat(rest)}
    renamed = pack_attention(renamed, (_VISION,), whole="qkv.", place=path)
    return pack_attention(renamed, ("transformer.",), place=path)


def facts_of_siglip(folder: Path) -> dict[str, Any]:
    """Return what transformers' configuration says, as ``ClipWeights`` keeps it.

    Raises:
        InputError: If it has no pooling head, or an activation that SigLIP does not use.
    """
    place = folder / _CONFIG
    config, known = read_json(place), _keys()
    vision, text = (
        known["defaults"] | known[part] | (config.get(part) or {})
        for part in ("vision_config", "text_config")
    )
    if not vision["vision_use_head"]:
        raise InputError(f"{place}: vision_use_head must be true, without it nothing is embedded")
    model = {
        "embed_dim": vision["hidden_size"],
        "vision_cfg": {"image_size": vision["image_size"], "siglip": _vision(vision, place)},
        "text_cfg": _text(text, place),
    }
    return {"quick": False, "model": model}


def _vision(config: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Return timm's options of the image tower."""
    return {
        "img_size": config["image_size"],
        "patch_size": config["patch_size"],
        "embed_dim": config["hidden_size"],
        "depth": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "mlp_ratio": _ratio(config),
        "act_layer": "gelu_tanh" if _approximate(config, place) == "tanh" else "gelu",
        "eps": config["layer_norm_eps"],
    }


def _text(config: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Return open_clip's options of the text tower."""
    return {
        "context_length": config["max_position_embeddings"],
        "vocab_size": config["vocab_size"],
        "hf_tokenizer_name": str(place.parent),
        "width": config["hidden_size"],
        "heads": config["num_attention_heads"],
        "layers": config["num_hidden_layers"],
        "mlp_ratio": _ratio(config),
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": config["layer_norm_eps"]},
        "act_kwargs": {"approximate": _approximate(config, place)},
    }


def _ratio(config: Mapping[str, Any]) -> float:
    """Return a ratio that gives the hidden width when a multiple of the width is cut to a whole."""
    ratio: float = (config["intermediate_size"] + 0.5) / config["hidden_size"]
    return ratio


def _approximate(config: Mapping[str, Any], place: Path) -> str:
    if config["hidden_act"] not in _ACTIVATIONS:
        known = sorted(_ACTIVATIONS)
        raise InputError(f"{place}: hidden_act must be one of {known}, got {config['hidden_act']}")
    return _ACTIVATIONS[config["hidden_act"]]


def _rename(name: str) -> str:
    known = _keys()
    for theirs, ours in known["names"].items():
        if name.startswith(theirs):
            own: str = ours + name[len(theirs) :]
            for inner, outer in known["blocks" if own.startswith(_VISION) else "text"].items():
                own = own.replace(inner, outer)
            return own
    return name


@cache
def _keys() -> dict[str, Any]:
    keys: dict[str, Any] = read_json(Path(__file__).with_name("siglip_keys.json"))
    return keys

"""CLIP's weights from whoever stored them, under the names of OpenAI's files.

OpenAI's archives and state dicts, open_clip's files (LAION's among them) and transformers' folders
hold the same towers under three layouts; ``clip_keys.json`` says which name is which. What a file
does not say is read beside it: ``open_clip_config.json``, or transformers' ``config.json``. Towers
of timm (ConvNeXt, EVA, SigLIP) keep timm's names behind ``visual.``, as open_clip stores them;
SigLIP in transformers' layout is brought there (``siglip_files.py``).
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ovdet.structures.errors import InputError
from ovdet.structures.files import read_json
from ovdet.structures.siglip_files import facts_of_siglip, is_siglip, rename_siglip
from ovdet.structures.weights import pack_attention, read_folder_weights, read_weights

_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
_VISUAL = "visual."
_TIMM = f"{_VISUAL}trunk."
_PATCHES = f"{_VISUAL}conv1.weight"  # where no tower of timm begins
_SHOWN = 5
_HEAD = 64  # channels of an attention head where nothing else is said, as in all of OpenAI's
_ACTIVATIONS = {"quick_gelu": True, "gelu": False}
_EPSILON = 1e-5  # of the norms, as in all of CLIP


Pixels = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class ClipWeights:
    """The two towers of a CLIP model, or one of them.

    Attributes:
        place: Where they were read, for messages.
        image: The image tower's weights by OpenAI's names behind ``visual.``; empty where the file
            holds none.
        text: The text tower's by OpenAI's names; empty likewise.
        quick: Whether the activation is QuickGELU; None where nothing says.
        head: Channels of an attention head of the image tower's transformer.
        text_head: Of the text tower's.
        folder: Where a tokenizer may lie beside the weights.
        model: What lies beside them says of the model, in the words of open_clip's configurations;
            None where nothing does.
        pixels: Mean and deviation of red, green and blue that it was trained with; None where
            nothing says.
        scale: What the model multiplies a cosine by; None where the file does not hold it.
        bias: What it adds then, before the sigmoid of SigLIP; None where pairs were compared by a
            softmax.
    """

    place: str
    image: dict[str, Tensor]
    text: dict[str, Tensor]
    quick: bool | None = None
    head: int = _HEAD
    text_head: int = _HEAD
    folder: Path | None = None
    model: Mapping[str, Any] | None = None
    pixels: Pixels | None = None
    scale: float | None = None
    bias: float | None = None

    def activation(self) -> bool:
        """Return whether the activation is QuickGELU.

        Raises:
            InputError: If neither the file nor what lies beside it says so.
        """
        if self.quick is None:
            raise InputError(
                f"{self.place}: does not say whether its activation is QuickGELU: give open_clip's "
                "name of the model, or put its open_clip_config.json beside the file"
            )
        return self.quick


def read_clip(path: Path) -> ClipWeights:
    """Read a CLIP model.

    Args:
        path: A file, or a folder of transformers or of open_clip.

    Raises:
        InputError: If it cannot be read, holds weights that CLIP does not have, or its settings
            are not CLIP's.
    """
    if path.is_dir():
        weights, folder = read_folder_weights(path, _FILES), path
    else:
        weights, folder = read_weights(path), path.parent
    keys = _keys()
    if any(name.startswith(("vision_model.", "text_model.")) for name in weights):
        siglip = is_siglip(folder)
        facts = facts_of_siglip(folder) if siglip else _facts_of_transformers(folder)
        weights = rename_siglip(weights, path) if siglip else _renamed(weights, keys, path)
        facts["pixels"] = _pixels(folder / "preprocessor_config.json", "image_")
    elif any(name in weights for name in keys["openai"]):
        facts = {"quick": True}
    else:
        facts = _facts_of_open_clip(folder)
        if any(name.startswith(_TIMM) for name in weights):
            facts.setdefault("quick", False)  # no model with a tower of timm's has another
    image, text = _split(weights, keys, path)
    scale, bias = (weights.get(name) for name in ("logit_scale", "logit_bias"))
    return ClipWeights(
        str(path),
        image,
        text,
        folder=folder,
        scale=None if scale is None else math.exp(float(scale)),
        bias=None if bias is None else float(bias),
        **facts,
    )


def _split(
    weights: Mapping[str, Tensor], keys: Mapping[str, Any], path: Path
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the image tower's and the text tower's weights; refuse those of neither."""
    towers: dict[str, dict[str, Tensor]] = {"image": {}, "text": {}}
    unknown: list[str] = []
    of_timm = any(name.startswith(_TIMM) for name in weights)
    image = "timm" if of_timm and _PATCHES not in weights else "image"
    patterns = {"image": keys[image], "text": keys["text"]}
    for name, value in weights.items():
        # open_clip says "text." where the text tower is a part of its own
        tower, own = "text", name.removeprefix("text.")
        if name.startswith(_VISUAL):
            tower, own = "image", name.removeprefix(_VISUAL)
        if _matches(patterns[tower], own):
            towers[tower][own] = value
        elif not _matches(keys["unused"], own):
            unknown.append(name)
    if unknown:
        shown = ", ".join(unknown[:_SHOWN])
        raise InputError(f"{path}: holds {len(unknown)} weights that CLIP does not have: {shown}")
    if not (towers["image"] or towers["text"]):
        raise InputError(f"{path}: holds no weights of CLIP")
    return towers["image"], towers["text"]


def _matches(patterns: Collection[str], name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _renamed(
    weights: Mapping[str, Tensor], keys: Mapping[str, Any], path: Path
) -> dict[str, Tensor]:
    """Return transformers' weights under OpenAI's names; names that are none of theirs stay."""
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        own = _rename(name, keys)
        renamed[own] = value.T if own in keys["transformers_transposed"] else value
    return pack_attention(renamed, (f"{_VISUAL}transformer.", "transformer."), place=path)


def _rename(name: str, keys: Mapping[str, Any]) -> str:
    for theirs, ours in keys["transformers"].items():
        if name.startswith(theirs):
            own: str = ours + name[len(theirs) :]
            for inner, outer in keys["transformers_blocks"].items():
                own = own.replace(inner, outer)
            return own
    return name


def _facts_of_transformers(folder: Path) -> dict[str, Any]:
    """Return what transformers' configuration says, for both towers or the only one."""
    place = folder / "config.json"
    config = read_json(place)
    facts: dict[str, Any] = {}
    for part, key in (("vision_config", "head"), ("text_config", "text_head")):
        own = _keys()["transformers_defaults"][part] | (config.get(part) or config)
        _check(own, f"{place}: {part}")
        if "hidden_size" in own:
            facts[key] = own["hidden_size"] // own["num_attention_heads"]
        quick = _ACTIVATIONS[own["hidden_act"]]
        if facts.setdefault("quick", quick) != quick:
            raise InputError(f"{place}: both towers must have the same hidden_act")
    return facts


def _check(config: Mapping[str, Any], place: str) -> None:
    if config["hidden_act"] not in _ACTIVATIONS:
        known = sorted(_ACTIVATIONS)
        raise InputError(f"{place}: hidden_act must be one of {known}, got {config['hidden_act']}")
    if config["layer_norm_eps"] != _EPSILON:
        got = config["layer_norm_eps"]
        raise InputError(f"{place}: layer_norm_eps must be {_EPSILON}, got {got}")


def _facts_of_open_clip(folder: Path) -> dict[str, Any]:
    """Return what open_clip's configuration says, where one lies beside the weights."""
    place = folder / "open_clip_config.json"
    if not place.is_file():
        return {}
    record = read_json(place)
    config = record.get("model_cfg", record)
    text = config.get("text_cfg", {})
    facts = {
        "quick": bool(config.get("quick_gelu", False)),
        "head": config.get("vision_cfg", {}).get("head_width", _HEAD),
        "model": config,
        "pixels": _pixels(place, "", "preprocess_cfg"),
    }
    if "heads" in text and "width" in text:
        facts["text_head"] = text["width"] // text["heads"]
    return facts


def _pixels(place: Path, prefix: str, part: str | None = None) -> Pixels | None:
    """Return the mean and deviation that a file says, where it is there and says them."""
    record = read_json(place) if place.is_file() else {}
    facts = record if part is None else record.get(part, {})
    mean, std = (facts.get(f"{prefix}{name}") for name in ("mean", "std"))
    return None if mean is None or std is None else (tuple(mean), tuple(std))


@cache
def _keys() -> dict[str, Any]:
    keys: dict[str, Any] = read_json(Path(__file__).with_name("clip_keys.json"))
    return keys

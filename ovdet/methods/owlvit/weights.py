"""Weights of OWL-ViT and OWLv2: transformers' files, and the mean of two models."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError, read_json
from ovdet.structures.weights import pack_attention, read_weights

_MODELS = ("owlvit", "owlv2")
_UNUSED = re.compile(r"^(owlvit|owlv2)\.logit_scale$|\.position_ids$|^box_bias$")
_BLOCK = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.": "attn.",
}


def rename_published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn transformers' OWL-ViT or OWLv2 weights into those of a ``DenseDetector``.

    The trunk is an ``OwlvitTrunk`` over a ``ClipVit``, the text slot's encoder a
    ``TransformersText``, the head an ``OwlvitHead``.

    Raises:
        InputError: If a weight is none of theirs, or one of an attention is missing.
    """
    keys = read_json(Path(__file__).with_name("keys.json"))
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not _UNUSED.search(name):
            own = _rename(name, keys)
            renamed[own] = value.T if own == "trunk.vit.proj" else value
    return pack_attention(renamed, ("trunk.vit.",))


def _rename(name: str, keys: Mapping[str, str]) -> str:
    for theirs, ours in keys.items():
        for model in _MODELS:
            start = theirs.replace("<model>", model)
            if name.startswith(start):
                own = ours + name[len(start) :]
                blocks = _BLOCK.items() if own.startswith("trunk.vit.") else ()
                for inner, outer in blocks:
                    own = own.replace(inner, outer)
                return own
    raise InputError(f"'{name}' is no weight of transformers' OWL-ViT or OWLv2")


@MODELS.register_module(name="OwlvitPublished")
def load_published(detector: nn.Module, file: str) -> nn.Module:
    """Fill a detector with transformers' OWL-ViT or OWLv2 weights and return it.

    Args:
        detector: A ``DenseDetector`` of the same sizes.
        file: Safetensors, or a pickle of plain tensors.

    Raises:
        InputError: If the file cannot be read, or holds another model.
    """
    renamed = rename_published(read_weights(Path(file)))
    return _filled(detector, renamed, file)


@MODELS.register_module(name="OwlvitAverage")
def average_models(detector: nn.Module, files: tuple[str, str], share: float = 0.5) -> nn.Module:
    """Fill a detector with the mean of two trained ones and return it (OWLv2, Sec. 4.6).

    Args:
        detector: Whose weights both files hold.
        files: The self-trained model, then the same one fine-tuned on people's boxes.
        share: Weight of the first, in [0, 1]; released ensembles use 0.5 (B/16) and 0.4 (L/14).

    Raises:
        InputError: If the files do not hold the same model, or ``share`` is out of range.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share must be in [0, 1], got {share}")
    cold, warm = (read_weights(Path(file)) for file in files)
    if cold.keys() != warm.keys():
        other = min(cold.keys() ^ warm.keys())
        raise InputError(f"{files[0]} and {files[1]} hold different models: only one has {other!r}")
    mean = {
        name: torch.lerp(warm[name].float(), value.float(), share).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in cold.items()
    }
    return _filled(detector, mean, files[0])


def _filled(detector: Any, weights: dict[str, Tensor], place: str) -> nn.Module:
    try:
        detector.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(f"{place}: holds another detector: {first}") from error
    filled: nn.Module = detector
    return filled

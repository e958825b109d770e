"""Weights of CLIPSeg: transformers' files (rd64, rd64-uni, rd64-refined, rd16)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError, read_json
from ovdet.structures.weights import pack_attention, read_weights

_UNUSED = re.compile(r"^clip\.logit_scale$|\.position_ids$")


def rename_published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn transformers' CLIPSeg weights into those of a ``PixelSegmentor``.

    The trunk is a ``VitTaps`` over a ``ClipVit``, the text slot a ``ClipsegText`` over a
    ``TransformersText``, the head a ``ClipsegDecoder``.

    Raises:
        InputError: If a weight is none of theirs, or one of an attention is missing.
    """
    keys = read_json(Path(__file__).with_name("keys.json"))
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not _UNUSED.search(name):
            own = _rename(name, keys)
            renamed[own] = value.T if own == "trunk.vit.proj" else value
    return pack_attention(renamed, ("trunk.", "head."))


def _rename(name: str, keys: Mapping[str, Any]) -> str:
    for theirs, ours in keys["parts"].items():
        if name.startswith(theirs):
            own: str = ours + name[len(theirs) :]
            for inner, outer in keys["blocks"].get(ours, {}).items():
                own = own.replace(inner, outer)
            return own
    raise InputError(f"'{name}' is no weight of transformers' CLIPSeg")


@MODELS.register_module(name="ClipsegPublished")
def load_published(segmentor: nn.Module, file: str) -> nn.Module:
    """Fill a segmentor with transformers' CLIPSeg weights, decoder and all, and return it.

    Args:
        segmentor: A ``PixelSegmentor`` of the same sizes, with taps at the blocks the weights were
            trained with: 3, 6, 9 for the released ones.
        file: Safetensors, or a pickle of plain tensors.

    Raises:
        InputError: If the file cannot be read, or holds another model.
    """
    renamed = rename_published(read_weights(Path(file)))
    try:
        segmentor.load_state_dict(renamed)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(f"{file}: holds another segmentor: {first}") from error
    return segmentor

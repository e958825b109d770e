"""The two towers of CLIP's family as a folder's configuration describes them."""

from typing import Any

from ovdet.adapters.transformers.folder import CONFIG, Folder
from ovdet.structures import InputError
from ovdet.text import TransformersText
from ovdet.vision import ClipVit, ClipVitShape, PixelNorm

_QUICK = {"quick_gelu": True, "gelu": False}
_EPSILON = 1e-5  # of the norms, which ovdet's tower has fixed
_TEXT = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
)


def image_tower(folder: Folder, processor: Any) -> ClipVit:
    """Return the image tower, empty, which centres colours as the folder's processor does.

    Raises:
        InputError: If the tower is not one of CLIP's.
    """
    facts, vision = folder.facts, folder.facts.vision_config
    if vision.hidden_act not in _QUICK:
        raise InputError(
            f"{folder.path / CONFIG}: hidden_act must be one of {sorted(_QUICK)}, "
            f"got {vision.hidden_act!r}"
        )
    if vision.layer_norm_eps != _EPSILON:
        raise InputError(
            f"{folder.path / CONFIG}: layer_norm_eps must be {_EPSILON}, "
            f"got {vision.layer_norm_eps}"
        )
    shape = ClipVitShape(
        patch=vision.patch_size,
        width=vision.hidden_size,
        layers=vision.num_hidden_layers,
        heads=vision.num_attention_heads,
        dim=facts.projection_dim,
        grid=vision.image_size // vision.patch_size,
        quick=_QUICK[vision.hidden_act],
        hidden=vision.intermediate_size,
    )
    tower = ClipVit(shape)
    tower.pixels = PixelNorm(processor.image_mean, processor.image_std)
    return tower


def text_tower(folder: Folder) -> TransformersText:
    """Return the text tower, with random weights.

    Raises:
        InputError: If it reads other tokens than CLIP's.
    """
    facts = folder.facts
    options = {name: getattr(facts.text_config, name) for name in _TEXT}
    return TransformersText(config={**options, "projection_dim": facts.projection_dim})

"""CLIP's image towers by name or by file, and whole pictures to embeddings with any of them.

The towers themselves: ``clip_resnet.py`` and ``clip_vit.py``, which are OpenAI's, and
``clip_convnext.py`` and ``timm_vit.py`` for those that open_clip takes from timm (ConvNeXt, EVA,
SigLIP). Nothing is downloaded.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ovdet.ops.similarity import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import InputError
from ovdet.structures.clip_files import ClipWeights, read_clip
from ovdet.structures.weights import find_weights, misfit
from ovdet.vision.clip_convnext import ClipConvNext, ClipMeanPool
from ovdet.vision.clip_resnet import ClipAttentionPool, ClipResNet
from ovdet.vision.clip_vit import ClipVit, ClipVitShape
from ovdet.vision.timm_towers import (
    centre,
    is_of_timm,
    timm_pool,
    timm_sizes,
    timm_tower,
    timm_weights,
)
from ovdet.vision.timm_vit import TimmVit

Tower = ClipResNet | ClipVit | ClipConvNext | TimmVit

PREFIX = "visual."
"""What stands before the image tower's names in files of whole models, OpenAI's and open_clip's."""

_TRUNK = ("conv", "bn", "layer")  # how the names of a ResNet without its pool begin
_POOL = "attnpool."
_HEAD = 64  # channels of an attention head where a model says nothing else
_PLAIN = {"image_size", "layers", "width", "patch_size", "head_width"}  # what our towers know


@MODELS.register_module(name="ClipTower")
def clip_tower(
    name: str | None = None,
    weights: str | None = None,
    *,
    blocks: Sequence[int] = (),
    readout: nn.Module | None = None,
    pooled: bool = True,
    dense: bool = False,
    keys: bool = False,
    frozen: bool = False,
) -> Tower:
    """Return the image tower of a model, a trunk.

    Args:
        name: open_clip's name of the model, as for ``OpenClipText``: ``RN50-quickgelu``,
            ``ViT-B-16-quickgelu``. OpenAI's own weights need a ``-quickgelu`` one. None takes the
            sizes of the weights.
        weights: A file of the whole model or its folder, a path or a name in the zoo, as
            ``read_clip`` reads it; random without it.
        blocks: Of a ViT: the blocks whose tokens are levels too.
        readout: Of a ViT: what the dense level is made of.
        pooled: Of a ResNet or ConvNeXt: whether its pool is a part of it.
        dense: Of these: whether the pool's dense readout is one more level; a ViT has one.
        keys: Whether the last attention's keys are one more level, before the dense one; a ConvNeXt
            has none.
        frozen: Whether nothing learns.

    Raises:
        InputError: If the name is unknown, the tower is of another kind, the file holds other
            weights, or there is neither name nor file.
    """
    known = None if weights is None else read_clip(find_weights(weights))
    dim, sizes, quick = _sizes_of(known) if name is None else _sizes(name)
    more: dict[str, Any] = {"keys": keys, "frozen": frozen}
    of_vit: dict[str, Any] = {"blocks": blocks, "readout": readout}
    tower: Tower
    if is_of_timm(sizes):
        tower = timm_tower(dim, sizes, pooled=pooled, dense=dense, **of_vit, **more)
    elif isinstance(sizes["layers"], list):
        pool = _pool(dim, sizes) if pooled else None
        tower = ClipResNet(sizes["layers"], sizes["width"], pool=pool, dense=dense, **more)
    else:
        tower = ClipVit(_shape(dim, sizes, quick=quick), **of_vit, **more)
    if known is not None:
        _fill(tower, known, "all" if pooled else "trunk")
        centre(tower, known)
    return tower


@MODELS.register_module(name="ClipPool")
def clip_pool(name: str, weights: str | None = None) -> ClipAttentionPool | ClipMeanPool:
    """Return the pool of a model with a ResNet or ConvNeXt, for regions of its last level.

    Args:
        name: open_clip's name of the model.
        weights: A file of the whole model; random without it.

    Raises:
        InputError: If the name is unknown or that of a ViT, or the file holds other weights.
    """
    dim, sizes, _ = _sizes(name)
    pool: ClipAttentionPool | ClipMeanPool | None
    if is_of_timm(sizes):
        pool = timm_pool(dim, sizes)
    else:
        pool = _pool(dim, sizes) if isinstance(sizes["layers"], list) else None
    if pool is None:
        raise InputError(f"'{name}' has no attention pool or mean of maps: its tower is a ViT")
    if weights is not None:
        _fill(pool, read_clip(find_weights(weights)), "pool")
    return pool


@MODELS.register_module()
class ClipImageEncoder(nn.Module):
    """Whole pictures to embeddings: what CLIP says to a picture.

    Args:
        tower: A ``ClipResNet`` with a pool, a ``ClipVit`` or another that ``ClipTower`` returns, or
            open_clip's name of a model; None takes the sizes of the weights.
        weights: Where ``tower`` is not finished: the whole model, as for ``ClipTower``; random
            without it.

    Attributes:
        dim: D.
        size: Side of the pictures it was trained on, px.

    Raises:
        InputError: If the tower has no pool, a file comes with a finished tower, or as for
            ``ClipTower``.
    """

    def __init__(self, tower: nn.Module | str | None = None, weights: str | None = None) -> None:
        super().__init__()
        if isinstance(tower, nn.Module) and weights is not None:
            raise InputError("weights are for a tower that is named; this one is finished")
        built: Any = tower if isinstance(tower, nn.Module) else clip_tower(tower, weights)
        if built.dim is None:
            raise InputError("an encoder needs a tower with a pool, this one has none")
        self.tower = built
        self.dim: int = built.dim
        self.size: int = built.grid * built.stride

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W], RGB in [0, 1], of any size, to [B, D], unit norm."""
        return unit_norm(self.tower.embed(images))


def _pool(dim: int, sizes: dict[str, Any]) -> ClipAttentionPool:
    width = 32 * sizes["width"]
    heads = width // sizes.get("head_width", _HEAD)
    return ClipAttentionPool(width, dim, heads=heads, grid=sizes["image_size"] // 32)


def _shape(dim: int, sizes: dict[str, Any], *, quick: bool) -> ClipVitShape:
    return ClipVitShape(
        patch=sizes["patch_size"],
        width=sizes["width"],
        layers=sizes["layers"],
        heads=sizes["width"] // sizes.get("head_width", _HEAD),
        dim=dim,
        grid=sizes["image_size"] // sizes["patch_size"],
        quick=quick,
        hidden=sizes.get("hidden"),
    )


def _fill(part: nn.Module, known: ClipWeights, which: str) -> None:
    """Fill a tower with ``all`` of a file's weights, or a ``trunk`` or ``pool`` with its own."""
    own = _own(known.image, which)
    if fault := misfit(part.state_dict(), own):
        kind = type(part).__name__
        raise InputError(f"{known.place}: is not a {kind} at '{PREFIX}': {fault}")
    part.load_state_dict(own)


def _own(weights: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    if any(name.startswith("trunk.") for name in weights):
        return timm_weights(weights, None if which == "all" else which)
    if which == "pool":
        return {n.removeprefix(_POOL): v for n, v in weights.items() if n.startswith(_POOL)}
    starts = _TRUNK if which == "trunk" else ("",)
    return {name: value for name, value in weights.items() if name.startswith(starts)}


def _sizes_of(known: ClipWeights | None) -> tuple[int, dict[str, Any], bool]:
    """Return D, the sizes of the image tower, and whether it uses QuickGELU, from its weights."""
    if known is None:
        raise InputError("a tower needs a name, a file of weights, or both")
    weights = known.image
    if any(name.startswith("trunk.") for name in weights):
        return *timm_sizes(known), False
    quick = known.activation()
    try:
        if "layer1.0.conv1.weight" in weights:
            return *_resnet_sizes(weights), quick
        return *_vit_sizes(weights, known.head), quick
    except KeyError as error:
        raise InputError(f"{known.place}: holds no image tower, it lacks {error}") from error


def _resnet_sizes(weights: Mapping[str, Tensor]) -> tuple[int, dict[str, Any]]:
    cells = len(weights["attnpool.positional_embedding"]) - 1
    stages = [_count(weights, rf"layer{stage}\.(\d+)\.") for stage in range(1, 5)]
    width = len(weights["layer1.0.conv1.weight"])
    sizes = {"layers": stages, "width": width, "image_size": 32 * math.isqrt(cells)}
    return len(weights["attnpool.c_proj.weight"]), sizes


def _vit_sizes(weights: Mapping[str, Tensor], head: int) -> tuple[int, dict[str, Any]]:
    width, _, patch, _ = weights["conv1.weight"].shape
    cells = len(weights["positional_embedding"]) - 1
    sizes = {
        "layers": _count(weights, r"transformer\.resblocks\.(\d+)\."),
        "width": width,
        "patch_size": patch,
        "image_size": patch * math.isqrt(cells),
        "head_width": head,
        "hidden": len(weights["transformer.resblocks.0.mlp.c_fc.weight"]),
    }
    return weights["proj"].shape[1], sizes


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many numbers there are in names that begin as a pattern says."""
    return len({found[1] for name in weights if (found := re.match(pattern, name))})


def _sizes(name: str) -> tuple[int, dict[str, Any], bool]:
    """Return D, the sizes of a model's image tower, and whether it uses QuickGELU."""
    import open_clip

    known = open_clip.list_models()
    # Asked first, because open_clip takes a name with a scheme for something to download.
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise InputError(f"open_clip has no model '{name}'{hint}")
    model = open_clip.get_model_config(name)
    sizes = model["vision_cfg"]
    if is_of_timm(sizes):
        return model["embed_dim"], sizes, False
    if other := sorted(set(sizes) - _PLAIN):
        raise InputError(f"the image tower of '{name}' is not one of CLIP's own: it has {other}")
    return model["embed_dim"], sizes, model.get("quick_gelu", False)

"""Building the image towers that open_clip's models take from timm: ConvNeXt, EVA and SigLIP.

Which one it is says a configuration in open_clip's words: a model's by name, the one that lies
beside the weights, or, where there is neither, that of the only architecture of open_clip's whose
weights have these names and shapes.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.structures import InputError
from ovdet.structures.clip_files import ClipWeights
from ovdet.structures.weights import misfit
from ovdet.vision.clip_convnext import ClipConvNext, ClipMeanPool
from ovdet.vision.pixels import PixelNorm
from ovdet.vision.timm_vit import TimmVit

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Mean and deviation that SigLIP is trained with."""

_NAMES = ("stem", "stages", "pool")  # of a ConvNeXt's parts, of which the last is its pool
_RENAMES = {"trunk.head.norm.": "pool.norm.", "head.": "pool.project.", "trunk.": ""}
_KNOWN = re.compile(r"convnext_\w+|eva(02)?_\w+|vit_\w+_siglip(?!_gap)\w*")
_SIGNS = {"trunk.stages.": "convnext", "trunk.attn_pool.": "siglip", "trunk.blocks.": "eva"}
_PROJECTED = ("linear", "mlp")


def is_of_timm(sizes: Mapping[str, Any]) -> bool:
    """Tell whether open_clip's options of an image tower name one of timm."""
    return "timm_model_name" in sizes or "siglip" in sizes


def timm_tower(dim: int, sizes: Mapping[str, Any], **options: Any) -> ClipConvNext | TimmVit:
    """Return a tower with random weights.

    Args:
        dim: D.
        sizes: open_clip's options of the image tower.
        options: Of ``ClipConvNext`` or ``TimmVit``; ``pooled`` says whether a ConvNeXt's pool is a
            part of it. Those of the other kind must be as if nothing had been said.

    Raises:
        InputError: If the tower is none that is known, or an option is not one of its kind.
    """
    trunk, head = _parts(dim, sizes)
    pooled = options.pop("pooled")
    if hasattr(trunk, "stages"):
        if options.pop("keys") or options.pop("blocks") or options.pop("readout"):
            raise InputError("keys, blocks and a readout are of a ViT: this tower is a ConvNeXt")
        pool = _pool(trunk, head, dim, sizes) if pooled else None
        return ClipConvNext(trunk, pool=pool, dense=options["dense"], frozen=options["frozen"])
    options.pop("dense")  # a ViT has that level
    pixels = PixelNorm(*HALF) if _is_siglip(sizes) else None
    return TimmVit(trunk, pixels=pixels, soft="siglip" not in sizes, **options)


def timm_pool(dim: int, sizes: Mapping[str, Any]) -> ClipMeanPool | None:
    """Return the pool of a ConvNeXt, with random weights; None where the tower is a ViT."""
    trunk, head = _parts(dim, sizes)
    return _pool(trunk, head, dim, sizes) if hasattr(trunk, "stages") else None


def timm_weights(known: Mapping[str, Tensor], part: str | None = None) -> dict[str, Tensor]:
    """Return a file's weights of an image tower under the names that the tower has for them.

    Args:
        known: By open_clip's names behind ``visual.``.
        part: ``trunk`` or ``pool`` of a ConvNeXt alone; all where None.
    """
    if not any(name.startswith("trunk.stages.") for name in known):
        return dict(known)
    renamed = {_rename(name): value for name, value in known.items()}
    if part is None:
        return renamed
    pool = f"{_NAMES[-1]}."
    if part == "pool":
        return {n.removeprefix(pool): v for n, v in renamed.items() if n.startswith(pool)}
    return {name: value for name, value in renamed.items() if not name.startswith(pool)}


def timm_sizes(known: ClipWeights) -> tuple[int, dict[str, Any]]:
    """Return D and open_clip's options of the image tower of a file without a name.

    Raises:
        InputError: If nothing lies beside it and no architecture of open_clip's has its weights,
            or more than one.
    """
    if known.model is not None:
        return known.model["embed_dim"], dict(known.model["vision_cfg"])
    import open_clip

    family = next((kind for sign, kind in _SIGNS.items() if _begins(known.image, sign)), None)
    found: dict[str, tuple[str, int, dict[str, Any]]] = {}
    for name in open_clip.list_models():
        config = open_clip.get_model_config(name)
        dim, sizes = config["embed_dim"], config["vision_cfg"]
        kind = sizes.get("timm_model_name", "")
        if kind not in found and family and family in kind and _has(dim, sizes, known):
            found[kind] = (name, dim, sizes)
    if len(found) != 1:
        names = " or ".join(name for name, _, _ in found.values())
        said = f"may be those of {names}" if names else "are of no image tower of open_clip's"
        raise InputError(
            f"{known.place}: its weights {said}: give open_clip's name of the model, or put its "
            "open_clip_config.json beside the file"
        )
    ((_, dim, sizes),) = found.values()
    return dim, sizes


def _has(dim: int, sizes: Mapping[str, Any], known: ClipWeights) -> bool:
    """Tell whether a tower's weights have the names and shapes of a file's."""
    with torch.device("meta"):
        trunk, head = _parts(dim, sizes)
    own = {f"trunk.{name}": value for name, value in trunk.state_dict().items()}
    own |= {f"head.{name}": value for name, value in head.state_dict().items()}
    return not misfit(own, known.image)


def _begins(weights: Mapping[str, Tensor], sign: str) -> bool:
    return any(name.startswith(sign) for name in weights)


def _is_siglip(sizes: Mapping[str, Any]) -> bool:
    return "siglip" in sizes or "siglip" in sizes["timm_model_name"]


def _rename(name: str) -> str:
    for theirs, ours in _RENAMES.items():
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    return name


def _pool(trunk: Any, head: nn.Module, dim: int, sizes: Mapping[str, Any]) -> ClipMeanPool:
    grid = sizes.get("image_size", 224) // ClipConvNext.stride
    return ClipMeanPool(trunk.head.norm, head, dim=dim, grid=grid)


def _parts(dim: int, sizes: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
    """Return timm's model and what open_clip puts behind it.

    Raises:
        InputError: If it is of another family than the three, or is pooled otherwise than these.
    """
    if "siglip" in sizes:
        return _siglip(sizes["siglip"]), nn.Sequential()
    import timm

    name, pool = sizes["timm_model_name"], sizes.get("timm_pool", "avg")
    if not _KNOWN.fullmatch(name) or pool not in ("", "avg", "token", "map"):
        raise InputError(
            f"the image tower {name} of timm, pooled by {pool!r}, is not one of CLIP's own, "
            "nor a ConvNeXt, EVA or SigLIP"
        )
    projection = sizes.get("timm_proj", "linear")
    if name.startswith("convnext"):
        trunk = timm.create_model(name, num_classes=0)
        return trunk, _projection(projection, trunk.num_features, dim, sizes)
    classes = 0 if projection == "none" else dim
    trunk = timm.create_model(name, num_classes=classes, global_pool=pool, dynamic_img_size=True)
    return trunk, nn.Sequential()


def _projection(kind: str | None, width: int, dim: int, sizes: Mapping[str, Any]) -> nn.Module:
    from timm.layers import Mlp

    if kind not in _PROJECTED:
        raise InputError(f"timm_proj of a ConvNeXt must be one of {_PROJECTED}, got {kind!r}")
    bias = sizes.get("timm_proj_bias", False)
    if kind == "linear":
        return nn.Sequential(OrderedDict(proj=nn.Linear(width, dim, bias=bias)))
    return nn.Sequential(OrderedDict(mlp=Mlp(width, 2 * dim, dim, bias=(True, bias))))


def _siglip(options: Mapping[str, Any]) -> nn.Module:
    """Return timm's ViT with a pooling head, of any sizes."""
    from timm.layers import LayerNorm
    from timm.models.vision_transformer import VisionTransformer

    own = dict(options)
    eps = own.pop("eps")
    trunk: nn.Module = VisionTransformer(
        class_token=False,
        global_pool="map",
        num_classes=0,
        dynamic_img_size=True,
        norm_layer=partial(LayerNorm, eps=eps),
        **own,
    )
    return trunk


def centre(tower: Any, known: ClipWeights) -> None:
    """Have a tower centre colours as what lies beside its weights says, where anything does."""
    if known.pixels is not None:
        tower.pixels = PixelNorm(*known.pixels)

"""From a folder to a model: which architectures are known, and who builds each."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from ovdet.adapters.transformers.box_masks import build_box_masks
from ovdet.adapters.transformers.clipseg import build_clipseg
from ovdet.adapters.transformers.folder import Folder, kind_of, read_folder
from ovdet.adapters.transformers.grounding import build_grounding
from ovdet.adapters.transformers.groupvit import build_groupvit
from ovdet.adapters.transformers.omdet import build_omdet
from ovdet.adapters.transformers.owl import build_owlv2, build_owlvit
from ovdet.adapters.transformers.proposals import build_proposals
from ovdet.registry import MODELS

Builder = Callable[[Folder], nn.Module]

ARCHITECTURES: dict[str, Builder] = {
    "owlvit": build_owlvit,
    "owlv2": build_owlv2,
    "grounding-dino": build_grounding,
    "mm-grounding-dino": build_grounding,  # LLMDet's too
    "omdet-turbo": build_omdet,
    "clipseg": build_clipseg,
    "groupvit": build_groupvit,
}
"""transformers' ``model_type`` to what makes a detector or a segmentor of a folder."""

DRAWERS: dict[str, Builder] = {
    "sam": build_box_masks,
    "sam2": build_box_masks,
    "sam2_video": build_box_masks,  # as the released folders call themselves
    "sam3_tracker": build_box_masks,
    "sam3_video": build_box_masks,
}
"""Those that draw the masks of a detector's boxes: the second of a pair."""

PROPOSERS: dict[str, Builder] = {
    "maskformer": build_proposals,
    "mask2former": build_proposals,
    "oneformer": build_proposals,
}
"""Those that propose masks which a CLIP names: the first of a pair."""

_ALL = ARCHITECTURES | DRAWERS | PROPOSERS


def known_architectures() -> str:
    """Return all that can be used, and how, as a message lists them."""
    alone, drawers, proposers = (
        ", ".join(sorted(kinds)) for kinds in (ARCHITECTURES, DRAWERS, PROPOSERS)
    )
    return f"{alone}; as DETECTOR+FOLDER {drawers}; as FOLDER+CLIP {proposers}"


def proposes_masks(path: str | Path) -> bool:
    """Tell whether there is a folder which says of itself that it proposes masks."""
    return kind_of(Path(path)) in PROPOSERS


@MODELS.register_module(name="TransformersFolder")
def load_folder(path: str | Path) -> nn.Module:
    """Return what a folder of transformers holds: a detector, a segmentor or a part of one.

    Nothing is downloaded. It sizes pictures itself, by its own processor's rule, so samples should
    come at the size of their files.

    Args:
        path: A folder with ``config.json`` and the weights.

    Raises:
        InputError: If there is no such folder, its architecture is not known, or the weights are
            missing, damaged or another model's.
    """
    folder = read_folder(Path(path), _ALL, f"known architectures: {known_architectures()}")
    return _ALL[folder.kind](folder).eval()

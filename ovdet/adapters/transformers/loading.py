"""From a folder to a model: which architectures are known, and who builds each."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from ovdet.adapters.transformers.clipseg import build_clipseg
from ovdet.adapters.transformers.folder import Folder, read_folder
from ovdet.adapters.transformers.grounding import build_grounding
from ovdet.adapters.transformers.owl import build_owlv2, build_owlvit
from ovdet.registry import MODELS

ARCHITECTURES: dict[str, Callable[[Folder], nn.Module]] = {
    "owlvit": build_owlvit,
    "owlv2": build_owlv2,
    "grounding-dino": build_grounding,
    "mm-grounding-dino": build_grounding,  # LLMDet's too
    "clipseg": build_clipseg,
}
"""transformers' ``model_type`` to what makes a detector or a segmentor of a folder."""


@MODELS.register_module(name="TransformersFolder")
def load_folder(path: str | Path) -> nn.Module:
    """Return the detector or the segmentor that a folder of transformers holds.

    Nothing is downloaded. It sizes pictures itself, by its own processor's rule, so samples should
    come at the size of their files.

    Args:
        path: A folder with ``config.json`` and the weights.

    Raises:
        InputError: If there is no such folder, its architecture is not known, or the weights are
            missing, damaged or another model's.
    """
    folder = read_folder(Path(path), ARCHITECTURES)
    return ARCHITECTURES[folder.kind](folder).eval()

"""Folders of transformers (``config.json`` beside safetensors) as detectors and segmentors.

Where ovdet has the method itself, the weights go into ovdet's own parts: text is then cached on
disk, names are compared in tiles, embeddings can stand in for names, and the model can be trained
on. Otherwise transformers' own module is wrapped. Two of them can be a pair: a detector and what
draws its boxes' masks, or what proposes masks and a CLIP that names them.
"""

from ovdet.adapters.transformers.box_masks import BoxMasks
from ovdet.adapters.transformers.loading import (
    ARCHITECTURES,
    known_architectures,
    load_folder,
    proposes_masks,
)
from ovdet.adapters.transformers.naming import name_masks
from ovdet.adapters.transformers.prompted import PromptedDetector
from ovdet.adapters.transformers.proposals import FolderMasks

__all__ = [
    "ARCHITECTURES",
    "BoxMasks",
    "FolderMasks",
    "PromptedDetector",
    "known_architectures",
    "load_folder",
    "name_masks",
    "proposes_masks",
]

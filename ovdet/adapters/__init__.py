"""What others have built, behind ovdet's own interfaces. Nothing heavy is imported here."""

from ovdet.adapters.mmdet import MmdetDetector, MmdetText, MmdetTrunk, load_mmdet
from ovdet.adapters.transformers import (
    ARCHITECTURES,
    BoxMasks,
    FolderMasks,
    PromptedDetector,
    known_architectures,
    load_folder,
    name_masks,
    proposes_masks,
)

__all__ = [
    "ARCHITECTURES",
    "BoxMasks",
    "FolderMasks",
    "MmdetDetector",
    "MmdetText",
    "MmdetTrunk",
    "PromptedDetector",
    "known_architectures",
    "load_folder",
    "load_mmdet",
    "name_masks",
    "proposes_masks",
]

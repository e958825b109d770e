"""Files become samples: datasets, transforms, samplers, and the rendered world of stickers."""

from ovdet.data.annotations import Annotations, read_annotations
from ovdet.data.captions import CaptionDataset
from ovdet.data.coco import CocoDataset, collate
from ovdet.data.images import read_rgb
from ovdet.data.proposals import LoadProposals
from ovdet.data.samplers import Draw, TrainSampler
from ovdet.data.transforms import ColorJitter, RandomFlip, Resize, ResizeTo, ScaleJitter

__all__ = [
    "Annotations",
    "CaptionDataset",
    "CocoDataset",
    "ColorJitter",
    "Draw",
    "LoadProposals",
    "RandomFlip",
    "Resize",
    "ResizeTo",
    "ScaleJitter",
    "TrainSampler",
    "collate",
    "read_annotations",
    "read_rgb",
]

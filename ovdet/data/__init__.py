"""Files become samples: datasets, transforms, samplers, and the rendered world of stickers."""

from ovdet.data.annotations import Annotations, read_annotations
from ovdet.data.caption_files import CaptionFileDataset, PickCaption
from ovdet.data.captions import CaptionDataset, ReplayedStream
from ovdet.data.coco import CocoDataset, collate
from ovdet.data.images import read_rgb
from ovdet.data.mosaic import Mosaic
from ovdet.data.named import named_vocabulary
from ovdet.data.panoptic import PanopticDataset
from ovdet.data.phrases import PhraseDataset
from ovdet.data.proposals import LoadProposals, StoredCrops
from ovdet.data.samplers import Draw, TrainSampler
from ovdet.data.semantic import SemanticDataset
from ovdet.data.sources import MultiSource, Source, SourceSampler
from ovdet.data.transforms import (
    ColorJitter,
    RandomFlip,
    RandomResize,
    Resize,
    ResizeTo,
    ScaleJitter,
)

__all__ = [
    "Annotations",
    "CaptionDataset",
    "CaptionFileDataset",
    "CocoDataset",
    "ColorJitter",
    "Draw",
    "LoadProposals",
    "Mosaic",
    "MultiSource",
    "PanopticDataset",
    "PhraseDataset",
    "PickCaption",
    "RandomFlip",
    "RandomResize",
    "ReplayedStream",
    "Resize",
    "ResizeTo",
    "ScaleJitter",
    "SemanticDataset",
    "Source",
    "SourceSampler",
    "StoredCrops",
    "TrainSampler",
    "collate",
    "named_vocabulary",
    "read_annotations",
    "read_rgb",
]

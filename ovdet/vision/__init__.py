"""Images to features. Never a class name."""

from ovdet.vision.cnn import SmallImageEncoder, SmallTrunk
from ovdet.vision.frozen import Frozen
from ovdet.vision.fusion import BiAttention, BiFusion, DeepFusion, FusionBlock, LevelConv
from ovdet.vision.levels import LastLevels
from ovdet.vision.mobilenet import MobileNetTrunk, RawAndPyramid
from ovdet.vision.pretrained import load_pretrained
from ovdet.vision.pyramid import PyramidTrunk

__all__ = [
    "BiAttention",
    "BiFusion",
    "DeepFusion",
    "Frozen",
    "FusionBlock",
    "LastLevels",
    "LevelConv",
    "MobileNetTrunk",
    "PyramidTrunk",
    "RawAndPyramid",
    "SmallImageEncoder",
    "SmallTrunk",
    "load_pretrained",
]

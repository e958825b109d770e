"""Images to features. Never a class name."""

from ovdet.vision.cnn import SmallImageEncoder, SmallTrunk
from ovdet.vision.dynamic import DynamicBlock
from ovdet.vision.frozen import Frozen
from ovdet.vision.fusion import BiAttention, BiFusion, DeepFusion, FusionBlock, LevelConv
from ovdet.vision.levels import CoarserLevels, LastLevels
from ovdet.vision.mobilenet import MobileNetTrunk, RawAndPyramid
from ovdet.vision.pretrained import load_pretrained
from ovdet.vision.pyramid import PyramidTrunk
from ovdet.vision.swin import SwinTrunk

__all__ = [
    "BiAttention",
    "BiFusion",
    "CoarserLevels",
    "DeepFusion",
    "DynamicBlock",
    "Frozen",
    "FusionBlock",
    "LastLevels",
    "LevelConv",
    "MobileNetTrunk",
    "PyramidTrunk",
    "RawAndPyramid",
    "SmallImageEncoder",
    "SmallTrunk",
    "SwinTrunk",
    "load_pretrained",
]

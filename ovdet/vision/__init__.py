"""Images to features. Never a class name."""

from ovdet.vision.clip import ClipImageEncoder, clip_pool, clip_tower
from ovdet.vision.clip_convnext import ClipConvNext, ClipMeanPool
from ovdet.vision.clip_resnet import ClipAttentionPool, ClipResNet
from ovdet.vision.clip_vit import ClipVit, ClipVitShape
from ovdet.vision.cnn import SmallImageEncoder, SmallTrunk, WeightedPool
from ovdet.vision.crops import CropTeacher
from ovdet.vision.dpt import DptTrunk, Reassemble
from ovdet.vision.dynamic import DynamicBlock
from ovdet.vision.frozen import Frozen
from ovdet.vision.fusion import BiAttention, BiFusion, DeepFusion, FusionBlock, LevelConv
from ovdet.vision.levels import CoarserLevels, LastLevels, MergedLevels
from ovdet.vision.mobilenet import MobileNetTrunk, RawAndPyramid
from ovdet.vision.pixels import PixelNorm
from ovdet.vision.places import PlaceEncoder
from ovdet.vision.pretrained import load_pretrained
from ovdet.vision.proxy import ProxyTower
from ovdet.vision.pyramid import PyramidTrunk
from ovdet.vision.readouts import ClassEverywhere, SelfSelfAttention, ValuePath
from ovdet.vision.resnet import ResNetTrunk
from ovdet.vision.swin import SwinTrunk
from ovdet.vision.taps import VitTaps
from ovdet.vision.timm_vit import TimmVit
from ovdet.vision.tower import TowerPyramid
from ovdet.vision.vit import SmallVit

__all__ = [
    "BiAttention",
    "BiFusion",
    "ClassEverywhere",
    "ClipAttentionPool",
    "ClipConvNext",
    "ClipImageEncoder",
    "ClipMeanPool",
    "ClipResNet",
    "ClipVit",
    "ClipVitShape",
    "CoarserLevels",
    "CropTeacher",
    "DeepFusion",
    "DptTrunk",
    "DynamicBlock",
    "Frozen",
    "FusionBlock",
    "LastLevels",
    "LevelConv",
    "MergedLevels",
    "MobileNetTrunk",
    "PixelNorm",
    "PlaceEncoder",
    "ProxyTower",
    "PyramidTrunk",
    "RawAndPyramid",
    "Reassemble",
    "ResNetTrunk",
    "SelfSelfAttention",
    "SmallImageEncoder",
    "SmallTrunk",
    "SmallVit",
    "SwinTrunk",
    "TimmVit",
    "TowerPyramid",
    "ValuePath",
    "VitTaps",
    "WeightedPool",
    "clip_pool",
    "clip_tower",
    "load_pretrained",
]

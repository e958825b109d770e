"""Images to features. Never a class name."""

from ovdet.vision.cnn import SmallImageEncoder, SmallTrunk, WeightedPool
from ovdet.vision.frozen import Frozen
from ovdet.vision.mobilenet import MobileNetTrunk, RawAndPyramid
from ovdet.vision.pretrained import load_pretrained
from ovdet.vision.pyramid import PyramidTrunk
from ovdet.vision.tower import TowerPyramid

__all__ = [
    "Frozen",
    "MobileNetTrunk",
    "PyramidTrunk",
    "RawAndPyramid",
    "SmallImageEncoder",
    "SmallTrunk",
    "TowerPyramid",
    "WeightedPool",
    "load_pretrained",
]

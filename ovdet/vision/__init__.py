"""Images to features. Never a class name."""

from ovdet.vision.cnn import SmallImageEncoder, SmallTrunk
from ovdet.vision.frozen import Frozen
from ovdet.vision.mobilenet import MobileNetTrunk, RawAndPyramid
from ovdet.vision.pretrained import load_pretrained
from ovdet.vision.pyramid import PyramidTrunk
from ovdet.vision.readout import PlaceEncoder

__all__ = [
    "Frozen",
    "MobileNetTrunk",
    "PlaceEncoder",
    "PyramidTrunk",
    "RawAndPyramid",
    "SmallImageEncoder",
    "SmallTrunk",
    "load_pretrained",
]

"""Images to features. Never a class name."""

from ovdet.vision.cnn import SmallImageEncoder, SmallTrunk
from ovdet.vision.frozen import Frozen
from ovdet.vision.pyramid import PyramidTrunk

__all__ = ["Frozen", "PyramidTrunk", "SmallImageEncoder", "SmallTrunk"]

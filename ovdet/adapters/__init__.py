"""What others have built, under our slots. Nothing below imports it before a config asks for it."""

from ovdet.adapters.mmdet import MmdetDetector, MmdetText, MmdetTrunk

__all__ = ["MmdetDetector", "MmdetText", "MmdetTrunk"]

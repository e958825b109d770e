"""Segmentors: names for pixels. They name no method and do not know each other."""

from ovdet.segmentors.asking import PixelQuestion, SeenNames
from ovdet.segmentors.base import INSTANCE, PANOPTIC, SEMANTIC, TASKS, Segmentor
from ovdet.segmentors.pixel import PixelSegmentor, PixelSettings

__all__ = [
    "INSTANCE",
    "PANOPTIC",
    "SEMANTIC",
    "TASKS",
    "PixelQuestion",
    "PixelSegmentor",
    "PixelSettings",
    "SeenNames",
    "Segmentor",
]

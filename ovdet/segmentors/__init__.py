"""Segmentors: names for pixels. They name no method and do not know each other."""

from ovdet.segmentors.answers import PixelAnswers
from ovdet.segmentors.asking import OnePixelName, PixelNames, PixelQuestion
from ovdet.segmentors.base import INSTANCE, PANOPTIC, SEMANTIC, TASKS, Segmentor
from ovdet.segmentors.mask import MaskSegmentor, MaskSettings
from ovdet.segmentors.pixel import PixelSegmentor, PixelSettings
from ovdet.segmentors.views import PixelViews

__all__ = [
    "INSTANCE",
    "PANOPTIC",
    "SEMANTIC",
    "TASKS",
    "MaskSegmentor",
    "MaskSettings",
    "OnePixelName",
    "PixelAnswers",
    "PixelNames",
    "PixelQuestion",
    "PixelSegmentor",
    "PixelSettings",
    "PixelViews",
    "Segmentor",
]

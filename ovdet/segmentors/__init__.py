"""Segmentors: names for pixels. They name no method and do not know each other."""

from ovdet.segmentors.base import INSTANCE, PANOPTIC, SEMANTIC, TASKS, Segmentor
from ovdet.segmentors.mask import MaskSegmentor, MaskSettings

__all__ = [
    "INSTANCE",
    "PANOPTIC",
    "SEMANTIC",
    "TASKS",
    "MaskSegmentor",
    "MaskSettings",
    "Segmentor",
]

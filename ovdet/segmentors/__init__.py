"""Segmentors: names for pixels. They name no method and do not know each other."""

from ovdet.segmentors.base import INSTANCE, PANOPTIC, SEMANTIC, TASKS, Segmentor

__all__ = ["INSTANCE", "PANOPTIC", "SEMANTIC", "TASKS", "Segmentor"]

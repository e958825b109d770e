"""Assemblies that judge whole images, or regions that are already known."""

from ovdet.recognizers.dual import DualEncoder
from ovdet.recognizers.regions import RegionRecognizer

__all__ = ["DualEncoder", "RegionRecognizer"]

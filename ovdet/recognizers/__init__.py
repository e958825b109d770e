"""Assemblies that judge whole images."""

from ovdet.recognizers.dual import DualEncoder

__all__ = ["DualEncoder"]

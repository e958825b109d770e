"""Assemblies that find and name objects. They name no method."""

from ovdet.detectors.two_stage import Selection, TwoStageDetector, TwoStageSettings

__all__ = ["Selection", "TwoStageDetector", "TwoStageSettings"]

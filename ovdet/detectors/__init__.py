"""Assemblies that find and name objects. They name no method."""

from ovdet.detectors.dense import DenseDetector, DenseSettings
from ovdet.detectors.grounding import GroundingDetector, PhraseNames
from ovdet.detectors.names import AllNames, Question
from ovdet.detectors.selection import Selection
from ovdet.detectors.two_stage import TwoStageDetector, TwoStageSettings

__all__ = [
    "AllNames",
    "DenseDetector",
    "DenseSettings",
    "GroundingDetector",
    "PhraseNames",
    "Question",
    "Selection",
    "TwoStageDetector",
    "TwoStageSettings",
]

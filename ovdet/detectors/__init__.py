"""Assemblies that find and name objects. They name no method."""

from ovdet.detectors.dense import DenseDetector, DenseSettings
from ovdet.detectors.grounding import CaptionNames, GroundingDetector
from ovdet.detectors.names import AllNames, Question
from ovdet.detectors.query import QueryDetector, QuerySettings
from ovdet.detectors.selection import Selection
from ovdet.detectors.two_stage import TwoStageDetector, TwoStageSettings

__all__ = [
    "AllNames",
    "CaptionNames",
    "DenseDetector",
    "DenseSettings",
    "GroundingDetector",
    "QueryDetector",
    "QuerySettings",
    "Question",
    "Selection",
    "TwoStageDetector",
    "TwoStageSettings",
]

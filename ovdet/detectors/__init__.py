"""Assemblies that find and name objects. They name no method."""

from ovdet.detectors.dense import DenseDetector, DenseSettings
from ovdet.detectors.grounding import CaptionNames, GroundingDetector
from ovdet.detectors.names import AllNames, PhraseNames, Question, SampledNames
from ovdet.detectors.query import QueryDetector, QuerySettings
from ovdet.detectors.selection import Selection
from ovdet.detectors.two_stage import TwoStageDetector, TwoStageSettings

__all__ = [
    "AllNames",
    "CaptionNames",
    "DenseDetector",
    "DenseSettings",
    "GroundingDetector",
    "PhraseNames",
    "QueryDetector",
    "QuerySettings",
    "Question",
    "SampledNames",
    "Selection",
    "TwoStageDetector",
    "TwoStageSettings",
]

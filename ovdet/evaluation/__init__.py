"""Predictions become numbers, each for base, novel and all classes."""

from ovdet.evaluation.calibration import detection_calibration
from ovdet.evaluation.coco import CocoMetric, evaluate_coco
from ovdet.evaluation.errors import detection_errors
from ovdet.evaluation.grounding import PhraseRecall, evaluate_expressions, evaluate_phrases
from ovdet.evaluation.panoptic import (
    PanopticMetric,
    evaluate_panoptic,
    evaluate_panoptic_files,
)
from ovdet.evaluation.recall import class_agnostic_recall
from ovdet.evaluation.recognition import (
    RetrievalRecall,
    ZeroShotTop1,
    retrieval_recall,
    zero_shot_top1,
)
from ovdet.evaluation.report import write_report
from ovdet.evaluation.semantic import SemanticMetric, evaluate_semantic

__all__ = [
    "CocoMetric",
    "PanopticMetric",
    "PhraseRecall",
    "RetrievalRecall",
    "SemanticMetric",
    "ZeroShotTop1",
    "class_agnostic_recall",
    "detection_calibration",
    "detection_errors",
    "evaluate_coco",
    "evaluate_expressions",
    "evaluate_panoptic",
    "evaluate_panoptic_files",
    "evaluate_phrases",
    "evaluate_semantic",
    "retrieval_recall",
    "write_report",
    "zero_shot_top1",
]

"""Predictions become numbers, each for base, novel and all classes."""

from ovdet.evaluation.calibration import detection_calibration
from ovdet.evaluation.coco import CocoMetric, evaluate_coco
from ovdet.evaluation.errors import detection_errors
from ovdet.evaluation.recall import class_agnostic_recall
from ovdet.evaluation.recognition import (
    RetrievalRecall,
    ZeroShotTop1,
    retrieval_recall,
    zero_shot_top1,
)
from ovdet.evaluation.report import write_report

__all__ = [
    "CocoMetric",
    "RetrievalRecall",
    "ZeroShotTop1",
    "class_agnostic_recall",
    "detection_calibration",
    "detection_errors",
    "evaluate_coco",
    "retrieval_recall",
    "write_report",
    "zero_shot_top1",
]

"""Predictions become numbers, each for base, novel and all classes."""

from ovdet.evaluation.coco import CocoMetric, evaluate_coco
from ovdet.evaluation.recall import class_agnostic_recall
from ovdet.evaluation.recognition import (
    RetrievalRecall,
    ZeroShotTop1,
    retrieval_recall,
    zero_shot_top1,
)

__all__ = [
    "CocoMetric",
    "RetrievalRecall",
    "ZeroShotTop1",
    "class_agnostic_recall",
    "evaluate_coco",
    "retrieval_recall",
    "zero_shot_top1",
]

"""Predictions become numbers, each for base, novel and all classes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovdet.evaluation.answers import evaluate_classification, evaluate_retrieval
    from ovdet.evaluation.calibration import detection_calibration
    from ovdet.evaluation.coco import class_agnostic_average_recall, evaluate_coco
    from ovdet.evaluation.collect import CocoMetric, LvisMetric
    from ovdet.evaluation.errors import detection_errors
    from ovdet.evaluation.grounding import PhraseRecall, evaluate_expressions, evaluate_phrases
    from ovdet.evaluation.label_maps import evaluate_label_maps
    from ovdet.evaluation.lvis import evaluate_lvis
    from ovdet.evaluation.panoptic import (
        PanopticMetric,
        evaluate_panoptic,
        evaluate_panoptic_files,
    )
    from ovdet.evaluation.pointing import PhrasePointing, covered_share, pointing_hits
    from ovdet.evaluation.recall import class_agnostic_recall
    from ovdet.evaluation.recognition import (
        RetrievalRecall,
        ZeroShotAccuracy,
        retrieval_recall,
        zero_shot_accuracy,
        zero_shot_top1,
    )
    from ovdet.evaluation.regions import RegionNaming, evaluate_region_names
    from ovdet.evaluation.report import write_report
    from ovdet.evaluation.results import Results, as_results, read_results
    from ovdet.evaluation.semantic import SemanticMetric, evaluate_semantic
    from ovdet.evaluation.sets import evaluate_sets, read_sets
    from ovdet.evaluation.truth import read_truth

# Scoring a file needs no torch, and starts in a tenth of the time without: only the accumulators
# bring it along. Each name is imported at first use.
_HOMES = {
    "CocoMetric": "collect",
    "LvisMetric": "collect",
    "PanopticMetric": "panoptic",
    "PhrasePointing": "pointing",
    "PhraseRecall": "grounding",
    "RegionNaming": "regions",
    "Results": "results",
    "RetrievalRecall": "recognition",
    "SemanticMetric": "semantic",
    "ZeroShotAccuracy": "recognition",
    "as_results": "results",
    "class_agnostic_average_recall": "coco",
    "class_agnostic_recall": "recall",
    "covered_share": "pointing",
    "detection_calibration": "calibration",
    "detection_errors": "errors",
    "evaluate_classification": "answers",
    "evaluate_coco": "coco",
    "evaluate_expressions": "grounding",
    "evaluate_label_maps": "label_maps",
    "evaluate_lvis": "lvis",
    "evaluate_panoptic": "panoptic",
    "evaluate_panoptic_files": "panoptic",
    "evaluate_phrases": "grounding",
    "evaluate_retrieval": "answers",
    "evaluate_region_names": "regions",
    "evaluate_semantic": "semantic",
    "evaluate_sets": "sets",
    "pointing_hits": "pointing",
    "read_results": "results",
    "read_sets": "sets",
    "read_truth": "truth",
    "retrieval_recall": "recognition",
    "write_report": "report",
    "zero_shot_accuracy": "recognition",
    "zero_shot_top1": "recognition",
}

__all__ = [
    "CocoMetric",
    "LvisMetric",
    "PanopticMetric",
    "PhrasePointing",
    "PhraseRecall",
    "RegionNaming",
    "Results",
    "RetrievalRecall",
    "SemanticMetric",
    "ZeroShotAccuracy",
    "as_results",
    "class_agnostic_average_recall",
    "class_agnostic_recall",
    "covered_share",
    "detection_calibration",
    "detection_errors",
    "evaluate_classification",
    "evaluate_coco",
    "evaluate_expressions",
    "evaluate_label_maps",
    "evaluate_lvis",
    "evaluate_panoptic",
    "evaluate_panoptic_files",
    "evaluate_phrases",
    "evaluate_region_names",
    "evaluate_retrieval",
    "evaluate_semantic",
    "evaluate_sets",
    "pointing_hits",
    "read_results",
    "read_sets",
    "read_truth",
    "retrieval_recall",
    "write_report",
    "zero_shot_accuracy",
    "zero_shot_top1",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ovdet.evaluation' has no attribute '{name}'")
    return getattr(import_module(f"ovdet.evaluation.{_HOMES[name]}"), name)

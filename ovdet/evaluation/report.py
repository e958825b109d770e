"""A report on a detector's results: what to read after the headline figure.

Every class, every cause of error, whether the scores can be believed, and the images where most
went wrong; as JSON for programs, as Markdown and as one picture for people.
"""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovdet.evaluation.assignment import (
    Assignment,
    Bools,
    Floats,
    Ints,
    Overlaps,
    assign,
    find_overlaps,
)
from ovdet.evaluation.calibration import Calibration, Thresholds, calibrate, suggest_thresholds
from ovdet.evaluation.errors import CAUSES, split_errors
from ovdet.evaluation.precision import mean_known, precision_curves
from ovdet.evaluation.results import Results, as_results
from ovdet.evaluation.truth import Coco
from ovdet.structures import InputError, atomic_write

IOUS = np.linspace(0.5, 0.95, 10)
_FREQUENCIES = {"f": "frequent", "c": "common", "r": "rare"}
_PAIRS, _IMAGES = 10, 10


@dataclass(frozen=True)
class Judged:
    """A detector's results and what they are worth; C classes, D detections, G objects.

    Attributes:
        overlaps: What overlaps what.
        found: Which detection is which object at IoU 0.5.
        names: C class names.
        groups: For each group of classes which belong to it, [C].
        curves: [10, C, 101], precision by IoU threshold, class and recall.
        errors: AP at IoU 0.5, and what each cause of error counts and costs.
        calibration: None where scores are not all in [0, 1].
        thresholds: The suggested score of each class.
        confusions: [C, C], of objects by their class and that of the best-scored detection on
            them at IoU 0.5.
        wrong: [D], detections that are believed at the suggested scores, and are no object.
        missed: [G], objects that no believed detection is.
    """

    overlaps: Overlaps
    found: Assignment
    names: tuple[str, ...]
    groups: dict[str, Bools]
    curves: Floats
    errors: dict[str, float]
    calibration: Calibration | None
    thresholds: Thresholds
    confusions: Ints
    wrong: Bools
    missed: Bools

    def worst_images(self) -> list[int]:
        """Return the indices of the ten images with most errors that have any, worst first."""
        count = len(self.overlaps.images)
        wrong = np.bincount(self.overlaps.image[self.wrong], minlength=count)
        missed = np.bincount(self.overlaps.object_image[self.missed], minlength=count)
        order = np.argsort(-(wrong + missed), kind="stable")[:_IMAGES]
        return [int(i) for i in order if wrong[i] + missed[i]]

    def worst_pairs(self) -> list[tuple[int, int]]:
        """Return the ten pairs (class, other class it is taken for) of most objects, most first."""
        off = self.confusions - np.diag(np.diag(self.confusions))
        order = np.argsort(-off, axis=None, kind="stable")[:_PAIRS]
        rows, columns = np.unravel_index(order, off.shape)
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return [(row, column) for row, column in pairs if off[row, column]]


def write_report(
    folder: Path,
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    image_dir: Path | None = None,
    novel_ids: Collection[int] = (),
    *,
    fixed: bool = False,
) -> list[Path]:
    """Write ``report.json``, ``report.md`` and ``report.png``.

    Args:
        folder: Where to write; made where it is missing.
        truth: A COCO object; with ``neg_category_ids`` it is judged as LVIS is.
        results: COCO results.
        kind: ``bbox``, ``segm`` or ``boundary``.
        image_dir: The folder of the images that the picture shows; None draws boxes on grey.
        novel_ids: Category ids of the novel classes; all others are base.
        fixed: Where LVIS's rules hold, judge the 10,000 best of a class, as fixed AP does.

    Returns:
        The files that were written.

    Raises:
        InputError: If ``kind`` is unknown, the truth has no object, the truth or a result is wrong
            or an image to be shown cannot be read; nothing is written then.
        OSError: If the folder cannot be written to.
    """
    from ovdet.evaluation.page import draw_page

    found = results if isinstance(results, Results) else as_results(results, truth, kind)
    judged = judge(truth, found, kind, novel_ids, fixed=fixed)
    record = _record(judged, truth, kind)
    files = {
        "report.json": (json.dumps(_known(record), indent=1) + "\n").encode(),
        "report.md": _markdown(record).encode(),
        "report.png": draw_page(judged, truth, found, image_dir),
    }
    for name, data in files.items():
        atomic_write(Path(folder) / name, data)
    return [Path(folder) / name for name in files]


def judge(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    novel_ids: Collection[int] = (),
    *,
    fixed: bool = False,
) -> Judged:
    """Return all that the report says, as arrays; arguments and errors as :func:`write_report`."""
    overlaps = find_overlaps(truth, results, kind, lowest=0.1, fixed=fixed)
    positives = overlaps.positives
    if not positives.any():
        raise InputError("the truth must hold an object to report on, got none")
    curves = np.stack([_curves(overlaps, assign(overlaps, float(iou))) for iou in IOUS])
    found = assign(overlaps, 0.5)
    kept, right = found.counted, found.match >= 0
    seen = (overlaps.label[kept], overlaps.score[kept], right[kept])
    thresholds = suggest_thresholds(*seen, positives)
    believed = overlaps.score >= thresholds.score[overlaps.label]  # never, where it is NaN
    fits = bool(((overlaps.score >= 0) & (overlaps.score <= 1)).all())
    return Judged(
        overlaps=overlaps,
        found=found,
        names=_names(truth, overlaps.categories),
        groups=_groups(truth, overlaps.categories, novel_ids),
        curves=curves,
        errors=split_errors(overlaps),
        calibration=calibrate(*seen, len(positives)) if fits else None,
        thresholds=thresholds,
        confusions=_confusions(overlaps, found),
        wrong=believed & kept & ~right,
        missed=(found.taken < 0) | ~_at(believed, found.taken),
    )


def _curves(overlaps: Overlaps, found: Assignment) -> Floats:
    kept = found.counted
    seen = (overlaps.label[kept], overlaps.score[kept], found.match[kept] >= 0)
    return precision_curves(*seen, overlaps.positives)


def _at(values: Bools, places: Ints) -> Bools:
    """Return the values at the places, False where a place is -1."""
    padded: Bools = np.append(values, False)[places]
    return padded


def _names(truth: Coco, categories: Ints) -> tuple[str, ...]:
    names = {entry["id"]: str(entry.get("name", entry["id"])) for entry in truth["categories"]}
    return tuple(names[category] for category in categories.tolist())


def _groups(truth: Coco, categories: Ints, novel_ids: Collection[int]) -> dict[str, Bools]:
    groups: dict[str, Bools] = {}
    if novel_ids:
        novel = np.isin(categories, list(novel_ids))
        groups |= {"base": ~novel, "novel": novel}
    frequency = {entry["id"]: entry.get("frequency") for entry in truth["categories"]}
    if set(frequency.values()) <= set(_FREQUENCIES):
        letters = np.array([frequency[category] for category in categories.tolist()])
        groups |= {name: letters == letter for letter, name in _FREQUENCIES.items()}
    return groups | {"all": np.ones(len(categories), np.bool_)}


def _confusions(overlaps: Overlaps, found: Assignment) -> Ints:
    """Count objects by their class and that of the best-scored detection on them."""
    detection, thing = overlaps.pair.T
    own = (found.match[detection] < 0) | (found.match[detection] == thing)
    near = np.flatnonzero(own & (overlaps.iou >= 0.5))
    things, first = np.unique(thing[near], return_index=True)  # pairs stand best detection first
    classes = len(overlaps.categories)
    cell = overlaps.object_label[things] * classes + overlaps.label[detection[near[first]]]
    return np.bincount(cell, minlength=classes**2).reshape(classes, classes)


def _record(judged: Judged, truth: Coco, kind: str) -> dict[str, Any]:
    """Return the report as plain JSON values; NaN where nothing could be measured."""
    overlaps = judged.overlaps
    precision = judged.curves.mean(axis=2)  # [10, C]
    summary = {
        group: {
            "classes": int((members & (overlaps.positives > 0)).sum()),
            "AP": mean_known(precision[:, members]),
            "AP50": mean_known(precision[0, members]),
            "AP75": mean_known(precision[5, members]),
        }
        for group, members in judged.groups.items()
    }
    causes = {
        cause: {
            "count": int(judged.errors[f"count/{cause}"]),
            "gain": judged.errors[f"gain/{cause}"],
        }
        for cause in CAUSES
    }
    whole = {
        name: {"gain": judged.errors[f"gain/{name}"]}
        for name in ("false positives", "false negatives")
    }
    return {
        "kind": kind,
        "rule": overlaps.rule,
        "images": len(overlaps.images),
        "objects": len(overlaps.object_label),
        "detections": len(overlaps.score),
        "summary": summary,
        "errors": causes | whole,
        "calibration": _calibration(judged.calibration),
        "classes": _classes(judged, precision),
        "confusions": _pairs(judged),
        "worst_images": _worst(judged, truth),
    }


def _calibration(calibration: Calibration | None) -> dict[str, Any] | None:
    if calibration is None:
        return None
    rows = zip(
        calibration.edges[:-1].tolist(),
        calibration.edges[1:].tolist(),
        calibration.count.tolist(),
        calibration.score.tolist(),
        calibration.precision.tolist(),
        strict=True,
    )
    keys = ("from", "to", "detections", "score", "precision")
    bins = [dict(zip(keys, row, strict=True)) for row in rows]
    return {"error": calibration.error, "bins": bins}


def _classes(judged: Judged, precision: Floats) -> list[dict[str, Any]]:
    overlaps, thresholds = judged.overlaps, judged.thresholds
    classes = len(judged.names)
    groups = [
        [g for g in judged.groups if g != "all" and judged.groups[g][i]] for i in range(classes)
    ]
    errors = judged.calibration.class_error if judged.calibration else np.full(classes, np.nan)
    columns = {
        "id": overlaps.categories.tolist(),
        "name": judged.names,
        "groups": groups,
        "objects": overlaps.positives.tolist(),
        "detections": np.bincount(overlaps.label, minlength=classes).tolist(),
        "AP": precision.mean(axis=0).tolist(),
        "AP50": precision[0].tolist(),
        "threshold": thresholds.score.tolist(),
        "F1": thresholds.f1.tolist(),
        "precision": thresholds.precision.tolist(),
        "recall": thresholds.recall.tolist(),
        "calibration_error": errors.tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _pairs(judged: Judged) -> list[dict[str, Any]]:
    positives = judged.overlaps.positives
    return [
        {
            "class": judged.names[row],
            "taken_for": judged.names[column],
            "objects": int(judged.confusions[row, column]),
            "share": float(judged.confusions[row, column] / positives[row]),
        }
        for row, column in judged.worst_pairs()
    ]


def _worst(judged: Judged, truth: Coco) -> list[dict[str, Any]]:
    overlaps = judged.overlaps
    names = {image["id"]: image.get("file_name", "") for image in truth["images"]}
    return [
        {
            "image_id": int(overlaps.images[i]),
            "file_name": names[int(overlaps.images[i])],
            "wrong": int(judged.wrong[overlaps.image == i].sum()),
            "missed": int(judged.missed[overlaps.object_image == i].sum()),
        }
        for i in judged.worst_images()
    ]


def _known(value: Any) -> Any:
    """Return the record with null for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _markdown(record: dict[str, Any]) -> str:
    counted = ("images", "objects", "detections")
    parts = [
        f"# Report on {record['kind']}: "
        + ", ".join(f"{record[key]:,} {key}".replace(",", " ") for key in counted),
        "Figures in %, thresholds as they stand in the results; - is what cannot be measured. "
        f"Rule: {record['rule']}.",
        "## Average precision",
        _table([{"classes": name, **row} for name, row in _sized(record["summary"])]),
        "## What is lacking at IoU 0.5",
        "`gain` is the AP50 that removing the cause alone would add (TIDE, Bolya et al. 2020).",
        _table([{"cause": cause, **row} for cause, row in record["errors"].items()]),
        "## Scores",
        *_scores(record["calibration"]),
        "## Classes",
        "`threshold` is the score with the best F1 at IoU 0.5.",
        _table([_row(entry) for entry in record["classes"]]),
        "## Objects taken for another class",
        _table(record["confusions"]) if record["confusions"] else "None.",
        "## Images with most errors",
        "Detections above their class's threshold that are wrong, and objects none of them is.",
        _table(record["worst_images"]) if record["worst_images"] else "None.",
    ]
    return "\n\n".join(parts) + "\n"


def _sized(summary: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    return [
        (f"{group} ({row['classes']})", {key: row[key] for key in ("AP", "AP50", "AP75")})
        for group, row in summary.items()
    ]


def _scores(calibration: dict[str, Any] | None) -> list[str]:
    if calibration is None:
        return ["Not all scores are in [0, 1]: calibration was not measured."]
    bins = [
        {
            "score": f"{entry['from']:.2g} to {entry['to']:.2g}",
            "detections": entry["detections"],
            "mean score": entry["score"],
            "precision": entry["precision"],
        }
        for entry in calibration["bins"]
    ]
    error = f"Expected calibration error {_percent(calibration['error'])} (Guo et al. 2017)."
    return [error, _table(bins)]


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    row = {key: value for key, value in entry.items() if key not in {"id", "groups"}}
    row["name"] = entry["name"] + "".join(f" ({group})" for group in entry["groups"])
    score = entry["threshold"]
    row["threshold"] = "-" if math.isnan(score) else f"{score:.3f}"
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    titles = [key.replace("_", " ") for key in keys]
    lines = [titles, ["---" if isinstance(rows[0].get(key), str) else "---:" for key in keys]]
    lines += [[_cell(row.get(key, math.nan)) for key in keys] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return _percent(value)
    return " ".join(str(value).split()).replace("|", "\\|")


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"

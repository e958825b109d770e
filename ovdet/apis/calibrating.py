"""Scores people can use: thresholds and a temperature for a vocabulary, from a few pictures.

Shapes: D detections, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ovdet.apis.inputs import Classes, as_prompts, as_vocabulary
from ovdet.apis.model import Model
from ovdet.apis.result import Result
from ovdet.data.coco import CocoDataset
from ovdet.evaluation.assignment import Bools, Floats, Ints, assign, find_overlaps
from ovdet.evaluation.fitting import f1_at, fit_temperature, fit_thresholds
from ovdet.ops.scores import temper
from ovdet.structures import InputError, Vocabulary
from ovdet.structures.prompts import Prompts

LABELS, SUGGESTION = "labels", "suggestion"  # see ``Vocabulary.basis``
FLOOR = 0.01
"""Scores below are not looked at."""

_AT_ONCE = 8
_OVERLAP = 0.5


@dataclass(frozen=True, eq=False)
class Judged:
    """What became of the detections of C classes in labelled pictures.

    Attributes:
        label: [D], index of the class.
        score: [D], in [0, 1], as the model gives it.
        right: [D], whether the detection is an object of its class.
        positives: [C], objects of each class.
    """

    label: Ints
    score: Floats
    right: Bools
    positives: Ints

    def f1(self, vocabulary: Vocabulary, threshold: float) -> float:
        """Return the F1 of all classes together with a vocabulary's thresholds, if it has some.

        Args:
            vocabulary: The C classes.
            threshold: That of a class without one.
        """
        least = np.array(vocabulary.thresholds or (threshold,) * len(vocabulary))
        score = temper(torch.from_numpy(self.score), vocabulary.temperature).numpy()
        return f1_at(self.label, score, self.right, self.positives, least)


def calibrate(labels: Vocabulary, judged: Judged) -> Vocabulary:
    """Return classes with the thresholds and the temperature that judged detections ask for.

    Args:
        labels: C classes.
        judged: Their detections.

    Raises:
        InputError: If no detection is right: nothing can be learnt of them.
    """
    if not judged.right.any():
        raise InputError("none of the labelled objects was found: there is nothing to calibrate by")
    temperature = fit_temperature(judged.score, judged.right)
    facts = (judged.label, judged.score, judged.right, judged.positives)
    least = torch.from_numpy(fit_thresholds(*facts, floor=FLOOR))
    thresholds = tuple(round(v, 4) for v in temper(least, temperature).tolist())
    return replace(labels, thresholds=thresholds, temperature=temperature, basis=LABELS)


def suggest(model: Model, classes: Classes) -> Vocabulary:
    """Return classes with thresholds that their names alone suggest; no picture is looked at.

    A name that is closer to another one than two names of the list usually are is the more easily
    taken for it: from the model's threshold, where the nearest name is no closer than the median
    pair, the threshold rises to halfway between it and 1 at a likeness of 1.

    Args:
        model: Its text tower is asked.
        classes: C names.

    Raises:
        InputError: If the model has no vectors of names, or they are not usable.
    """
    vocabulary = uncalibrated(as_vocabulary(classes))
    base = model.settings.threshold
    nearest, usual = np.zeros(len(vocabulary)), 0.0
    if len(vocabulary) > 1:
        vectors = model.embed_text(vocabulary).double()
        likeness = (vectors @ vectors.T).numpy()
        usual = float(np.median(likeness[np.triu_indices(len(likeness), 1)]))
        np.fill_diagonal(likeness, -1)
        nearest = likeness.max(axis=1)
    closer = np.clip((nearest - usual) / max(1 - usual, 1e-6), 0, 1)
    thresholds = tuple(round(float(v), 4) for v in base + (1 - base) / 2 * closer)
    return replace(vocabulary, thresholds=thresholds, basis=SUGGESTION)


def uncalibrated(vocabulary: Vocabulary) -> Vocabulary:
    """Return a vocabulary without thresholds and temperature."""
    return replace(vocabulary, thresholds=(), temperature=1.0, basis="")


def judge(
    model: Model,
    annotations: str | Path,
    images: str | Path,
    classes: Classes | None = None,
    *,
    progress: Callable[[Any], Any] = iter,
) -> tuple[Vocabulary, Judged]:
    """Detect in labelled pictures and compare.

    Args:
        model: A detector.
        annotations: A COCO file.
        images: The folder of its pictures.
        classes: What to ask for; the file's categories when None. A label that is no category of
            the file is asked for too, and its detections count neither way.
        progress: Wraps the list of picture groups, for a bar.

    Returns:
        The C labels, without thresholds, and what became of their detections.

    Raises:
        InputError: If the file is not usable, none of the labels is one of its categories, or as
            ``Model.detect``.
    """
    data = CocoDataset(str(annotations), str(images))
    asked, labels = _plain(data.vocabulary if classes is None else classes)
    ids = dict(zip(data.vocabulary.names, data.vocabulary.category_ids, strict=True))
    known = {label: ids[name] for label, name in enumerate(labels.names) if name in ids}
    if not known:
        raise InputError(
            f"{annotations}: none of the classes asked for is a category of it, "
            f"such as {labels.names[0]!r}"
        )
    truth = data.to_coco()
    for key, name in (("categories", "id"), ("annotations", "category_id")):
        truth[key] = [entry for entry in truth[key] if entry[name] in set(known.values())]
    records: list[dict[str, Any]] = []
    pictures = truth["images"]
    for start in progress(range(0, len(pictures), _AT_ONCE)):
        group = pictures[start : start + _AT_ONCE]
        paths = [str(Path(images) / picture["file_name"]) for picture in group]
        found = model.detect(list(paths), asked, threshold=FLOOR)
        for picture, result in zip(group, found, strict=True):
            records += _records(result, picture["id"], known)
    return labels, _compare(truth, records, known, len(labels))


def _plain(classes: Classes) -> tuple[Classes, Vocabulary]:
    """Return what to ask for with scores as the model gives them, and the labels of it."""
    prompts = as_prompts(classes)
    if prompts is None:
        vocabulary = uncalibrated(as_vocabulary(classes))
        return vocabulary, vocabulary
    bare = Prompts(prompts.prompts)
    return bare, bare.vocabulary


def _records(result: Result, image: int, known: dict[int, int]) -> list[dict[str, Any]]:
    """Return COCO results of those labels that are categories of the file."""
    records = result.to_coco(image)
    pairs = zip(records, result.class_ids.tolist(), strict=True)
    return [
        {key: record[key] for key in ("image_id", "bbox", "score")} | {"category_id": known[label]}
        for record, label in pairs
        if label in known
    ]


def _compare(
    truth: Any, records: list[dict[str, Any]], known: dict[int, int], count: int
) -> Judged:
    overlaps = find_overlaps(truth, records, lowest=_OVERLAP)
    found = assign(overlaps, _OVERLAP)
    place = np.array(sorted(known, key=known.__getitem__))  # classes stand by their ids there
    positives = np.zeros(count, np.int64)
    positives[place] = overlaps.positives
    kept = found.counted
    right = found.match[kept] >= 0
    return Judged(place[overlaps.label[kept]], overlaps.score[kept], right, positives)

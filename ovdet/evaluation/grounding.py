"""Phrases and the boxes they stand for: Flickr30k Entities and RefCOCO.

Flickr30k Entities (Plummer et al., ICCV 2015) asks for every phrase of a caption. A phrase may
stand for several boxes ("two dogs"), and there are two protocols (MDETR, Kamath et al., ICCV 2021):
*any box*, where one of them is enough, and *merged boxes*, where the prediction is compared with
the smallest box around all of them. They differ by points: always say which.

RefCOCO, RefCOCO+ and RefCOCOg have one box for an expression; its best box alone counts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from ovdet.evaluation.entries import box, brief, finite, items, refuse, whole
from ovdet.evaluation.recall import box_iou
from ovdet.registry import METRICS
from ovdet.structures import InputError, Regions, Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TOPS = (1, 5, 10)
NEVER = 2**31 - 1


def first_hits(found: Sequence[Floats], truth: Sequence[Floats], *, iou: float = 0.5) -> Ints:
    """Return for each phrase how many boxes must be looked at until one is right.

    Args:
        found: For each of P phrases its boxes [R, 4], xyxy, best first.
        truth: For each phrase the boxes [G, 4] it stands for, G > 0; any of them is enough.
        iou: A box is right from this overlap on.

    Returns:
        [P, 2]: the place of the first right box, 1 for the best one, and ``NEVER`` where none is;
        for any box, and for the merged box.
    """
    places = np.full((len(truth), 2), NEVER, np.int64)
    for row, boxes, targets in zip(places, found, truth, strict=True):
        merged = np.concatenate([targets[:, :2].min(axis=0), targets[:, 2:].max(axis=0)])
        for column, wanted in enumerate((targets, merged[None])):
            right = (box_iou(boxes, wanted) >= iou).any(axis=1)
            if right.any():
                row[column] = int(right.argmax()) + 1
    return places


def phrase_recall(places: Ints, tops: Sequence[int] = TOPS) -> dict[str, float]:
    """Return ``any/recall@k`` and ``merged/recall@k`` of the places of P phrases, [P, 2]."""
    return {
        f"{protocol}/recall@{top}": _part(places[:, column] <= top)
        for column, protocol in enumerate(("any", "merged"))
        for top in tops
    }


def evaluate_phrases(
    truth: dict[str, Any], results: list[dict[str, Any]], tops: Sequence[int] = TOPS
) -> dict[str, float]:
    """Score phrase grounding.

    Args:
        truth: A COCO object with ``sentences``: of each its ``phrases``, of each the
            ``annotation_ids`` it stands for. Phrases without any do not count.
        results: COCO results that name ``sentence`` and ``phrase``, places in those lists, instead
            of a category: ``{"image_id", "sentence", "phrase", "bbox", "score"}``, in any order.
        tops: The k to report.

    Returns:
        ``any/recall@k`` and ``merged/recall@k`` in [0, 1], NaN where no phrase has a box, and
        ``phrases``, how many have one. A phrase without a result is missed.

    Raises:
        InputError: If the truth has no sentences, or a result is of an unknown image, sentence or
            phrase, or its box or score is no number: the first is named, the others are counted.
    """
    targets = _targets(truth)
    places = first_hits(_ranked(truth, results, targets), list(targets.values()))
    return phrase_recall(places, tops) | {"phrases": float(len(targets))}


def evaluate_expressions(truth: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, float]:
    """Score referring expressions: ``accuracy@0.5``, the part whose best box has IoU 0.5 or more.

    Truth and results are those of :func:`evaluate_phrases`, one phrase with one box a sentence.

    Raises:
        InputError: If an expression stands for several boxes, or a result is not usable.
    """
    targets = _targets(truth)
    for (sentence, _), boxes in targets.items():
        if len(boxes) > 1:
            raise InputError(
                f"an expression must stand for one box, sentence {sentence} has {len(boxes)}"
            )
    places = first_hits(_ranked(truth, results, targets), list(targets.values()))
    return {"accuracy@0.5": _part(places[:, 0] <= 1), "expressions": float(len(targets))}


Key = tuple[int, int]


def _targets(truth: dict[str, Any]) -> dict[Key, Floats]:
    """Return the boxes of each phrase that has any, by sentence and phrase."""
    sides = {
        whole(entry, "id", f"annotation {place}"): box(entry, f"annotation {place}")
        for place, entry in enumerate(items(truth, "annotations", "the truth"))
    }
    targets: dict[Key, Floats] = {}
    for number, sentence in enumerate(items(truth, "sentences", "the truth")):
        where = f"sentence {number}"
        for place, phrase in enumerate(items(sentence, "phrases", where)):
            ids = items(phrase, "annotation_ids", f"{where}, phrase {place}")
            if wrong := [i for i in ids if type(i) is not int or i not in sides]:
                raise InputError(f"{where}, phrase {place} names no annotation: {brief(wrong[0])}")
            if ids:
                targets[number, place] = _corners(np.array([sides[i] for i in ids]))
    return targets


def _ranked(
    truth: dict[str, Any], results: list[dict[str, Any]], targets: dict[Key, Floats]
) -> list[Floats]:
    """Return the boxes of each target's phrase, best first; of equal scores the earlier first."""
    sizes = [len(sentence["phrases"]) for sentence in truth["sentences"]]
    images = [
        whole(sentence, "image_id", f"sentence {number}")
        for number, sentence in enumerate(truth["sentences"])
    ]
    found: dict[Key, list[int]] = {key: [] for key in targets}
    boxes, scores = np.zeros((len(results), 4)), np.zeros(len(results))
    problems: list[str] = []
    for number, result in enumerate(results):
        try:
            key, boxes[number], scores[number] = _answer(result, sizes, images, f"result {number}")
        except InputError as problem:
            problems.append(str(problem))
            continue
        if key in found:
            found[key].append(number)
    refuse(problems)
    ordered = [sorted(numbers, key=lambda n: -scores[n]) for numbers in found.values()]
    return [_corners(boxes[numbers]) for numbers in ordered]


def _answer(
    result: dict[str, Any], sizes: Sequence[int], images: Sequence[int], where: str
) -> tuple[Key, Any, float]:
    """Return a result's sentence and phrase, box and score."""
    key = _place(result, sizes, where)
    if whole(result, "image_id", where) != images[key[0]]:
        raise InputError(
            f"{where} must be of image {images[key[0]]} as its sentence, got {result['image_id']}"
        )
    return key, box(result, where), finite(result, "score", where)


def _place(result: dict[str, Any], sizes: Sequence[int], where: str) -> Key:
    sentence, phrase = whole(result, "sentence", where), whole(result, "phrase", where)
    if not 0 <= sentence < len(sizes):
        raise InputError(f"{where}: sentence must be 0 to {len(sizes) - 1}, got {sentence}")
    if not 0 <= phrase < sizes[sentence]:
        raise InputError(
            f"{where}: phrase must be 0 to {sizes[sentence] - 1} in sentence {sentence}, "
            f"got {phrase}"
        )
    return sentence, phrase


def _corners(boxes: Floats) -> Floats:
    corners = boxes.reshape(-1, 4).copy()
    corners[:, 2:] += corners[:, :2]
    return corners


def _part(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if right.size else float("nan")


@METRICS.register_module()
class PhraseRecall(BaseMetric):  # type: ignore[misc]
    """:func:`phrase_recall` over the phrases of a data set of sentences.

    Only the places of the first right boxes are kept and sent between processes. Where every
    sentence is an expression for one box, ``any/recall@1`` is RefCOCO's accuracy@0.5. Where samples
    name a ``source``, the figures of each stand behind its name too.

    Args:
        tops: The k to report, each at least 1.

    Raises:
        InputError: If a k is below 1.
    """

    default_prefix = "phrases"

    def __init__(self, tops: Sequence[int] = TOPS) -> None:
        super().__init__()
        if not tops or min(tops) < 1:
            raise InputError(f"tops must be at least 1, got {list(tops)}")
        self.tops = tuple(tops)

    def process(self, data_batch: dict[str, list[Sample]], data_samples: Sequence[Regions]) -> None:
        """Rank the boxes of a batch.

        Args:
            data_batch: ``samples``: B samples with ``phrases``; the labels of their truth tell
                which phrase a box belongs to.
            data_samples: B predictions, in px of the stored images, with scores; ``labels`` tell
                the phrase.

        Raises:
            InputError: If predictions have no scores or labels.
        """
        for sample, regions in zip(data_batch["samples"], data_samples, strict=True):
            if regions.scores is None or regions.labels is None or sample.truth.labels is None:
                raise InputError(f"{sample.file_name}: predictions must have scores and labels")
            best = regions[regions.scores.argsort(descending=True, stable=True)]
            wanted, boxes = sample.truth.labels, sample.to_original(sample.truth.boxes)
            asked = torch.unique(wanted)
            found = [best.boxes[best.labels == i] for i in asked.to(best.boxes.device)]
            places = first_hits(
                [group.double().cpu().numpy() for group in found],
                [boxes[wanted == i].double().cpu().numpy() for i in asked],
            )
            self.results.append((sample.source, places.astype(np.int32)))

    def compute_metrics(self, results: list[tuple[str, NDArray[np.int32]]]) -> dict[str, float]:
        """Return the recall of both protocols and the number of phrases, of all and by source."""
        figures = self._figures([places for _, places in results])
        for name in sorted({source for source, _ in results} - {""}):
            own = self._figures([places for source, places in results if source == name])
            figures |= {f"{name}/{key}": value for key, value in own.items()}
        return figures

    def _figures(self, results: list[NDArray[np.int32]]) -> dict[str, float]:
        places = np.concatenate([np.zeros((0, 2), np.int32), *results]).astype(np.int64)
        return phrase_recall(places, self.tops) | {"phrases": float(len(places))}

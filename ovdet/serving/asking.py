"""What a model is asked, and its answers as JSON has them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask

from ovdet.apis import Model, PanopticResult, Result, SemanticResult
from ovdet.apis.coco import text_counts
from ovdet.ops.rle import encode_rle
from ovdet.serving.schema import Detection, Detections, Embeddings, Rle, Segment, Segments

DETECT, SEGMENT, EMBED = "detect", "segment", "embed"


@dataclass(frozen=True)
class Question:
    """What is asked about pictures. Those of equal questions may go into the model together.

    Names are part of it: a picture's scores can depend on which other names are asked for, so one
    list for several requests would change their answers.

    Attributes:
        what: ``DETECT``, ``SEGMENT`` or ``EMBED``.
        names: C names; None for those that the model knows.
        task: Of ``SEGMENT``: as for ``Model.segment``.
        threshold: Least score, in [0, 1]; the model's own when None.
        top_k: Most objects; the model's own when None.
        size: Height and width, px, with which the picture goes into the network.
    """

    what: str
    names: tuple[str, ...] | None
    task: str | None = None
    threshold: float | None = None
    top_k: int | None = None
    size: tuple[int, int] = (0, 0)


class Answers:
    """Asks a model.

    Args:
        model: The model; called from one thread only.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def __call__(self, question: Question, pictures: list[Any]) -> list[Any]:
        """Return one answer a picture: ``Detections``, ``Segments`` or ``Embeddings``.

        Args:
            question: What is asked.
            pictures: B pictures, RGB, uint8, [H, W, 3]; of ``EMBED`` B times None.

        Raises:
            InputError: If the model cannot be asked that.
        """
        if question.what == EMBED:
            vectors = self._model.embed_text(question.names or ()).double().numpy()
            # Seven places are what float32 holds of a unit vector.
            return [Embeddings(vectors=vectors.round(7).tolist())] * len(pictures)
        given: list[Any] = [pixels for pixels in pictures if pixels is not None]
        names: Any = question.names
        how: dict[str, Any] = {"threshold": question.threshold, "batch_size": len(given)}
        if question.what == DETECT:
            how |= {"top_k": question.top_k}
            return [_detections(r) for r in self._model.detect(given, names, **how)]
        how |= {"task": question.task, "top_k": question.top_k}
        return [_segments(r) for r in self._model.segment(given, names, **how)]


def _detections(result: Result) -> Detections:
    height, width = result.image.shape[:2]
    facts = zip(result.labels, result.scores.tolist(), _rounded(result.boxes), strict=True)
    objects = [Detection(label=name, score=round(s, 6), box=box) for name, s, box in facts]
    return Detections(width=width, height=height, objects=objects)


def _segments(result: Result | SemanticResult | PanopticResult) -> Segments:
    height, width = result.image.shape[:2]
    if isinstance(result, Result):
        found = _objects(result)
    elif isinstance(result, SemanticResult):
        order = np.argsort(-result.areas, kind="stable")
        present = [int(i) for i in order if result.areas[i] > 0]
        found = [_outlined(result.vocabulary.names[i], result.labels == i) for i in present]
    else:
        found = [_outlined(segment.label, result.ids == segment.id) for segment in result]
    return Segments(width=width, height=height, segments=found)


def _objects(result: Result) -> list[Segment]:
    facts = zip(result.labels, result.scores.tolist(), _rounded(result.boxes), strict=True)
    found = []
    for (label, score, box), rle in zip(facts, result.rles or (), strict=True):
        area, mask = int(coco_mask.area(rle)), Rle(**text_counts(rle))
        found.append(Segment(label=label, score=round(score, 6), area=area, box=box, mask=mask))
    return found


def _outlined(label: str, mask: "np.ndarray[Any, Any]") -> Segment:
    """Return what has no score and no box but that around its pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [float(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]
    (rle,) = encode_rle(torch.from_numpy(mask)[None])
    return Segment(label=label, score=None, area=int(mask.sum()), box=box, mask=Rle(**rle))


def _rounded(boxes: "np.ndarray[Any, Any]") -> list[list[float]]:
    rounded: list[list[float]] = boxes.astype(np.float64).round(3).tolist()
    return rounded

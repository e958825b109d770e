"""How far an exported file is from the model it was made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.apis import Model
from ovdet.export.graph import Graph
from ovdet.export.pictures import Shown
from ovdet.structures import Regions, Vocabulary

Run = Callable[[Mapping[str, Tensor]], list[Tensor]]
"""Inputs by name to outputs in a graph's order."""

CLOSE = 1e-4
STEP = 1e-5
"""Of the picture's longer side: one float32 step at 640 px is 6e-5 px, and a box takes many."""
_THRESHOLD = 0.01
_APART = 1.0  # px from which two boxes are not the same


@dataclass(frozen=True)
class Difference:
    """What differs.

    Attributes:
        text: One line.
        close: Whether scores, masks and logits agree to ``CLOSE``, and boxes to ``STEP`` of the
            picture's longer side.
    """

    text: str
    close: bool


def compare(
    model: Model, graph: Graph, run: Run, shown: Shown, vocabulary: Vocabulary
) -> Difference:
    """Ask a model and what was exported of it the same and return the largest differences.

    Args:
        model: The model.
        graph: What was exported.
        run: Runs the exported file.
        shown: A picture.
        vocabulary: The names to ask for.
    """
    height, width = shown.sample.image.shape[1:]
    known = {
        "images": shown.images,
        "sizes": torch.tensor([[height, width]]),
        "text": model.embed_text(vocabulary),
        "threshold": torch.tensor(_THRESHOLD),
    }
    answer = run({name: known[name] for name in graph.inputs})
    with torch.inference_mode():
        if "sizes" in graph.inputs:
            found = model.detector.predict([shown.sample], vocabulary, threshold=_THRESHOLD)[0]
            return _boxes(answer, found, max(height, width))
        return _pixels(answer, model.detector.look(shown.images, model.detector.text(vocabulary)))


def _boxes(answer: list[Tensor], expected: Regions, side: int) -> Difference:
    """Return how far boxes are from those of a picture whose longer side is ``side`` px."""
    boxes, scores, labels, _, *masks = answer
    rows, columns = _paired(boxes, labels, expected)
    far = _most((boxes[rows] - expected.boxes[columns]).abs())
    apart = {"score": (scores[rows] - _known(expected.scores)[columns]).abs()}
    if masks:
        apart["mask"] = (masks[0][rows] - _known(expected.masks)[columns]).abs()
    most = {name: _most(values) for name, values in apart.items()}
    whole = len(rows) == len(boxes) == len(expected)
    close = whole and max(most.values()) <= CLOSE and far <= STEP * side
    said = ", ".join(f"{name} {value:.1e}" for name, value in most.items())
    return Difference(
        f"{len(rows)} of {len(expected)} boxes, {len(boxes) - len(rows)} besides; "
        f"at most {far:.1e} px, {said} apart",
        close,
    )


def _paired(boxes: Tensor, labels: Tensor, expected: Regions) -> tuple[Tensor, Tensor]:
    """Return which boxes are which of those expected, each once."""
    rows, columns = [], []
    left = torch.ones(len(boxes), dtype=torch.bool)
    for column, (box, label) in enumerate(
        zip(expected.boxes, _known(expected.labels), strict=True)
    ):
        distance = (boxes - box).abs().amax(dim=1)
        distance[~left | (labels != label)] = torch.inf
        if len(boxes) and float(distance.min()) < _APART:
            row = int(distance.argmin())
            left[row] = False
            rows.append(row)
            columns.append(column)
    return torch.tensor(rows, dtype=torch.int64), torch.tensor(columns, dtype=torch.int64)


def _pixels(answer: list[Tensor], expected: Tensor) -> Difference:
    labels, logits = answer
    far = _most((logits - expected).abs()) / max(_most(expected.abs()), 1.0)
    same = float((labels == _best(expected, labels.shape[-2:])).float().mean())
    said = f"{same:.2%} of pixels alike; logits at most {far:.1e} of their range apart"
    return Difference(said, same > 1 - 1e-3 and far <= CLOSE)


def _best(logits: Tensor, size: torch.Size) -> Tensor:
    from ovdet.segmentors.pixel import stretched

    return stretched(logits, size).argmax(dim=1)


def _most(values: Tensor) -> float:
    return float(values.max()) if values.numel() else 0.0


def _known(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("the detector must give scores and labels, and masks where it has some")
    return values

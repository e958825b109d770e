"""The card beside an exported file: what goes in and what comes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ovdet
from ovdet.apis import Model
from ovdet.export.graph import Graph

PIXELS = "RGB in [0, 1]; mean and deviation are taken care of inside"
_BATCH, _WIDE = "batch", ["height", "width"]
_VALUES: dict[str, tuple[list[Any], str, str]] = {
    "sizes": ([_BATCH, 2], "int64", "height and width of each picture within its images, px"),
    "threshold": ([], "float32", "the score that all boxes are above"),
    "boxes": (["found", 4], "float32", "x1, y1, x2, y2, px of the images"),
    "scores": (["found"], "float32", "in [0, 1], best first within a picture"),
    "owner": (["found"], "int64", "which picture of the batch a box is in"),
    "masks": (["found", "rows", "columns"], "float32", "in [0, 1], over each box"),
    "logits": ([_BATCH, "names", "rows", "columns"], "float32", "one map a name"),
}


@dataclass(frozen=True)
class Maker:
    """What a file was made from.

    Attributes:
        model: The model.
        load: The options of ``ovdet export`` that give it, as they are written in a shell.
        names: The names inside the file; None where it takes any.
        width: D, of the text.
    """

    model: Model
    load: str
    names: Sequence[str] | None
    width: int


def card(graph: Graph, maker: Maker, form: str, file: str) -> dict[str, Any]:
    """Return the card.

    Args:
        graph: What was exported.
        maker: What it was made from.
        form: ``onnx`` or ``program``.
        file: The exported file's name.
    """
    settings = maker.model.settings
    facts = {
        "file": file,
        "format": form,
        "model": maker.model.name,
        "ovdet": ovdet.__version__,
        "short": settings.short,
        "longest": None if settings.short is None else settings.max,
        "stride": graph.stride,
        "threshold": settings.threshold,
        "names": None if maker.names is None else list(maker.names),
        "inputs": [_value(name, graph, maker.width) for name in graph.inputs],
        "outputs": [_value(name, graph, maker.width) for name in graph.outputs],
    }
    if maker.names is None:
        facts["embed"] = f"ovdet export {maker.load} --embed names.npz --classes cat 'red car'"
    return facts


def _value(name: str, graph: Graph, width: int) -> dict[str, Any]:
    shape, kind, about = _described(name, graph, width)
    return {"name": name, "shape": shape, "type": kind, "about": about}


def _described(name: str, graph: Graph, width: int) -> tuple[list[Any], str, str]:
    boxes = "sizes" in graph.inputs
    if name == "images":
        filled = "black on the right and below" if boxes else "stretched"
        sides = f"{filled}, to multiples of {graph.stride} px from {2 * graph.stride} on"
        return [_BATCH, 3, *_WIDE], "float32", f"{PIXELS}; {sides}"
    if name == "text":
        return ["names", width], "float32", "one embedding a name, of length 1"
    if name == "labels":
        place = "which name a box has" if boxes else "the best name of each pixel"
        return (["found"] if boxes else [_BATCH, *_WIDE]), "int64", f"{place}, from 0"
    return _VALUES[name]

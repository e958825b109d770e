"""Which graph stands for which model."""

from typing import Any

from ovdet.apis import Model
from ovdet.detectors import DenseDetector, TwoStageDetector
from ovdet.export.dense import DenseGraph
from ovdet.export.graph import Graph
from ovdet.export.pixel import PixelGraph
from ovdet.export.two_stage import TwoStageGraph
from ovdet.segmentors import PixelSegmentor
from ovdet.structures import InputError

_GRAPHS: dict[type, Any] = {
    TwoStageDetector: TwoStageGraph,
    DenseDetector: DenseGraph,
    PixelSegmentor: PixelGraph,
}


def graph_of(model: Model) -> Graph:
    """Return what of a model is exported.

    Raises:
        InputError: If there is no graph of its kind, a part of it is in the way, or it is not on
            the CPU.
    """
    kind = type(model.detector)
    if kind not in _GRAPHS:
        known = ", ".join(one.__name__ for one in _GRAPHS)
        raise InputError(
            f"{model.name} cannot be exported: it is a {kind.__name__}, and only {known} can be"
        )
    if model.device.type != "cpu":
        raise InputError(f"a model is exported on the cpu, got it on {model.device}")
    try:
        graph: Graph = _GRAPHS[kind](model.detector)
    except InputError as error:
        raise InputError(f"{model.name} cannot be exported: {error}") from error
    return graph.eval()

import pytest
import torch

from ovdet.export.choice import graph_of
from ovdet.export.comparison import STEP, compare
from ovdet.export.pictures import render, show
from ovdet.structures import Vocabulary


@pytest.mark.parametrize(("off", "score", "close"), [(0.5, 0, True), (2, 0, False), (0, 2, False)])
def test_boxes_may_be_off_by_a_part_of_the_side(model, off, score, close):
    """``off`` in parts of what boxes may be off by, ``score`` in parts of 1e-4."""
    graph = graph_of(model)
    shown = show(model, graph, render()[0])
    side = max(shown.sample.original_size)

    def run(inputs):
        with torch.no_grad():
            boxes, scores, *others = graph(*inputs.values())
        return [boxes + off * STEP * side, scores + score * 1e-4, *others]

    found = compare(model, graph, run, shown, Vocabulary.of(["cat", "kite"]))
    assert found.close is close, found.text

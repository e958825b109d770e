import io

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import batched_nms

from ovdet.export.fixed import NOTHING, apart, best, pick, within
from ovdet.export.translation import translations


def some(batch, count, groups, seed=0):
    """Return boxes [B, N, 4], groups [B, N] and which are real [B, N]."""
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, count, 2, generator=draw) * 60
    boxes = torch.cat([corner, corner + 5 + 30 * torch.rand(batch, count, 2, generator=draw)], 2)
    of = torch.randint(groups, (batch, count), generator=draw)
    return boxes, of, torch.rand(batch, count, generator=draw) > 0.2


def expected(boxes, groups, real, threshold):
    """Return what torchvision keeps, image by image."""
    stay = torch.zeros_like(real)
    for image, own in enumerate(real):
        places = own.nonzero().flatten()
        ranks = torch.arange(len(places), 0, -1).float()
        kept = batched_nms(boxes[image, places], ranks, groups[image, places], threshold)
        stay[image, places[kept]] = True
    return stay


@pytest.mark.parametrize("count", [0, 1, 40])
def test_boxes_keep_apart_as_torchvision_keeps_them(count):
    boxes, groups, real = some(2, count, 3)
    wanted = expected(boxes, groups, real, 0.3)
    assert torch.equal(apart(boxes, groups, real, 0.3), wanted)
    alone = expected(boxes, torch.zeros_like(groups), real, 0.3)
    assert torch.equal(apart(boxes, None, real, 0.3), alone)
    assert count < 40 or wanted.sum() > alone.sum()


def test_the_best_fill_up():
    scores = torch.tensor([[0.1, NOTHING, 0.7], [NOTHING] * 3])
    kept, index = best(scores, 4)
    assert kept.tolist() == [pytest.approx([0.7, 0.1, NOTHING, NOTHING]), [NOTHING] * 4]
    assert index.tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]
    values = torch.arange(12.0).view(2, 3, 2)
    assert pick(values, index[:, :2]).tolist() == [[[4, 5], [0, 1]], [[6, 7], [6, 7]]]


def test_boxes_end_with_their_pictures():
    boxes = torch.tensor([[[-3.0, 2, 50, 60]], [[5, 5, 9, 9]]])
    inside = within(boxes, torch.tensor([[40, 30], [8, 7]]))
    assert inside.tolist() == [[[0, 2, 30, 40]], [[5, 5, 7, 8]]]


class Suppress(nn.Module):
    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold

    def forward(self, boxes, groups, real):
        own = apart(boxes, groups, real, self.threshold)
        return own, apart(boxes, None, real, self.threshold)


def test_onnx_keeps_the_same_boxes():
    """Of another batch and number than it was traced with."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    batch, count = torch.export.Dim("batch"), torch.export.Dim("count")
    axes = {0: batch, 1: count}
    program = torch.export.export(Suppress(0.3), some(2, 5, 2), dynamic_shapes=(axes, axes, axes))
    file = io.BytesIO()
    written = torch.onnx.export(program, custom_translation_table=translations(), verbose=False)
    written.save(file)
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for boxes, groups, real in (some(3, 40, 4, seed=1), some(1, 90, 90, seed=2), some(1, 1, 1)):
        names = [one.name for one in session.get_inputs()]
        asked = dict(zip(names, (boxes.numpy(), groups.numpy(), real.numpy()), strict=True))
        own, alone = session.run(None, asked)
        np.testing.assert_array_equal(own, expected(boxes, groups, real, 0.3))
        np.testing.assert_array_equal(alone, expected(boxes, 0 * groups, real, 0.3))

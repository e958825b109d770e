"""The loss of maps that are asked one name at a time, by hand."""

import torch
import torch.nn.functional as F

from ovdet.losses import PixelBinaryCrossEntropy
from ovdet.structures import IGNORED


def case():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 2, 2, requires_grad=True)
    labels = torch.tensor([[[0, 1], [2, IGNORED]], [[1, 1], [0, 0]]])
    return logits, labels


def test_only_names_asked_and_pixels_labelled_count():
    logits, labels = case()
    asked = torch.tensor([[False, True, False], [True, False, True]])
    found = PixelBinaryCrossEntropy(weight=2.0)(logits, labels, asked)["loss_pixel"]
    terms = [
        (logits[0, 1].flatten()[:3], torch.tensor([0.0, 1, 0])),
        (logits[1, 0].flatten(), torch.tensor([0.0, 0, 1, 1])),
        (logits[1, 2].flatten(), torch.zeros(4)),  # absent: all of it is not there
    ]
    total = sum(F.binary_cross_entropy_with_logits(x, t, reduction="sum") for x, t in terms)
    torch.testing.assert_close(found, 2 * total / 11)
    found.backward()
    assert logits.grad[0, 1, 1, 1] == 0
    assert not logits.grad[0, 0].any()


def test_all_are_asked_where_nothing_is_said():
    logits, labels = case()
    every = torch.ones(2, 3, dtype=torch.bool)
    loss = PixelBinaryCrossEntropy()
    assert torch.equal(
        loss(logits, labels)["loss_pixel"], loss(logits, labels, every)["loss_pixel"]
    )


def test_nothing_labelled_is_nothing_learnt():
    logits, labels = case()
    for labels_, asked in (
        (torch.full_like(labels, IGNORED), None),
        (labels, torch.zeros(2, 3, dtype=torch.bool)),
    ):
        found = PixelBinaryCrossEntropy()(logits.bfloat16(), labels_, asked)["loss_pixel"]
        assert found == 0
        found.backward()

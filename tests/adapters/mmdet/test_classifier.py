"""Text layers against the cosine by hand."""

import pytest
import torch
import torch.nn.functional as F

from ovdet.adapters.mmdet.classifier import TextClassifier, TextConv, TextLabels
from ovdet.structures import InputError


def classes(count, dim=6):
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(3)), dim=1)


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (2, 3)])
def test_linear_layer_is_a_cosine(shape):
    torch.manual_seed(0)
    layer = TextClassifier(5, 81, dim=6, scale=10.0, background=False, prior=0.01)
    layer.classes = classes(3)
    hidden = torch.randn(*shape, 5)
    wanted = 10 * F.cosine_similarity(
        F.linear(hidden, layer.project.weight)[..., None, :], layer.classes, dim=-1
    )
    torch.testing.assert_close(layer(hidden), wanted - torch.tensor(99.0).log())
    assert layer.out_features == 3


def test_background_is_the_last_column_and_stays_when_classes_go():
    torch.manual_seed(0)
    layer, hidden = TextClassifier(5, dim=6), torch.randn(4, 5)
    layer.classes = classes(4)
    all_four = layer(hidden)
    assert layer.out_features == all_four.shape[1] == 5
    layer.classes = classes(4)[[2]]
    torch.testing.assert_close(layer(hidden), all_four[:, [2, 4]])


def test_convolution_is_a_cosine_at_every_anchor():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(4, 2 * 80, 3, padding=1)
    layer = TextConv(conv, 2, dim=6, scale=10.0, prior=0.5)
    layer.classes = classes(3)
    level = torch.randn(2, 4, 5, 7)
    found = layer(level)
    assert found.shape == (2, 2 * 3, 5, 7)
    as_mmdet_reads = found.permute(0, 2, 3, 1).reshape(2, 5, 7, 2, 3)
    for anchor in range(2):
        weight = layer.project.weight[anchor * 6 : anchor * 6 + 6]
        embeddings = F.normalize(F.conv2d(level, weight, padding=1), dim=1)
        wanted = 10 * torch.einsum("bdhw,cd->bhwc", embeddings, layer.classes)
        torch.testing.assert_close(as_mmdet_reads[:, :, :, anchor], wanted, atol=1e-5, rtol=1e-5)


def test_labels_are_projected_text():
    labels = TextLabels(5, 6)
    labels.classes = classes(3)
    found = labels(torch.tensor([2, 0, 2]))
    torch.testing.assert_close(found, labels.project(labels.classes)[[2, 0, 2]])
    assert labels(torch.zeros(0, dtype=torch.int64)).shape == (0, 5)


def test_nothing_asked_is_told():
    with pytest.raises(InputError, match="has no classes: MmdetDetector sets them"):
        TextClassifier(5, dim=6)(torch.randn(2, 5))
    with pytest.raises(InputError, match="has no classes: MmdetDetector sets them"):
        TextLabels(5, 6)(torch.tensor([0]))

import pytest
import torch
from torch import nn

from ovdet.heads import CosineClassifier
from ovdet.ops import unit_norm
from ovdet.recognizers import RegionRecognizer
from ovdet.structures import InputError, Regions, Sample, Text, Vocabulary

NAMES = Vocabulary.of(["a", "b", "c"])


class Axes(nn.Module):
    """Classes are the axes of a space of four."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, vocabulary):
        return Text(unit_norm(torch.eye(4)[: len(vocabulary)] * self.gain))

    def encode_words(self, words):
        return torch.eye(4)[: len(words)]


class Keeps(nn.Module):
    """An objective that remembers what it was shown."""

    def forward(self, flow):
        self.flow = flow
        return {"loss_sum": flow.classify(flow.embeddings, 0).sum()}


def regions(boxes, embeddings, labels=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    owner = torch.zeros(len(boxes), dtype=torch.int64)
    return Regions(boxes, owner, labels=labels, embeddings=embeddings)


def samples():
    truth = regions([[0, 0, 10, 10], [20, 20, 40, 40]], None, torch.tensor([2, 1]))
    near = [[0, 0, 10, 8], [0, 0, 10, 4], [20, 20, 40, 40]]
    seen = unit_norm(torch.tensor([[0.0, 0, 1, 0], [3, 0, 0, 4], [0, 0, 1, 1]]))
    first = Sample(
        torch.zeros(3, 40, 40),
        1,
        original_size=(40, 40),
        truth=truth,
        proposals=regions(near, seen),
    )
    second = Sample(torch.zeros(3, 40, 40), 2, original_size=(20, 20), scale=(2.0, 2.0))
    second.proposals = regions([[2, 2, 8, 8]], torch.eye(4)[:1])
    return [first, second]


def recognizer(*objectives):
    model = RegionRecognizer(Axes(), CosineClassifier(4, scale=10.0, background="none"), objectives)
    model.vocabulary = NAMES
    return model


def test_objectives_see_class_overlap_and_embedding():
    keeps = Keeps()
    losses = recognizer(keeps)(samples(), mode="loss")
    found = keeps.flow.regions
    assert found.labels.tolist() == [2, 3, 1, 3]
    torch.testing.assert_close(found.scores, torch.tensor([0.8, 0.4, 1, 0]))
    assert found.owner.tolist() == [0, 0, 0, 1]
    assert torch.equal(found.embeddings, keeps.flow.embeddings)
    # Cosines: 1; 0.6; half a root of two; 1.
    assert losses["loss_sum"].item() == pytest.approx(10 * (1 + 0.6 + 0.5**0.5 + 1))
    losses["loss_sum"].backward()


def test_prediction_by_hand():
    first, second = recognizer()(samples(), mode="predict")
    assert first.labels.tolist() == [2, 0, 2]
    torch.testing.assert_close(first.scores[0], torch.tensor([0.0, 0, 10]).softmax(0)[2])
    assert second.boxes.tolist() == [[1, 1, 4, 4]]  # px of the stored image


def test_another_vocabulary_and_no_region():
    model = recognizer()
    model.vocabulary = Vocabulary.of(["x"])
    given = samples()
    given[0].proposals = given[0].proposals[:0]
    first, second = model(given, mode="predict")
    assert (len(first), second.labels.tolist(), second.scores.tolist()) == (0, [0], [1.0])
    given[1].proposals = given[1].proposals[:0]
    assert [len(one) for one in model(given, mode="predict")] == [0, 0]
    keeps = Keeps()
    model.objectives.append(keeps)
    assert model(given, mode="loss")["loss_sum"].item() == 0


def test_what_is_missing_is_told():
    model = recognizer()
    bare = Sample(torch.zeros(3, 4, 4), 7)
    with pytest.raises(InputError, match=r"must be prepared .* image 7 has none"):
        model([bare], mode="loss")
    model.vocabulary = None
    with pytest.raises(InputError, match="no vocabulary"):
        model(samples())

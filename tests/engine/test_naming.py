"""Crops named by a recognizer whose embeddings are colours, boxes by a detector of two names."""

import logging
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.engine.naming import BoxNaming, CropNaming, proposal_recall
from ovdet.recognizers import DualEncoder
from ovdet.structures import Regions, Sample, Vocabulary

COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "orange": (1.0, 0.5, 0.0),
    "white": (1.0, 1.0, 1.0),
}


class ColourWords(nn.Module):
    """A text tower that knows five words."""

    dim = 3
    device = torch.device("cpu")

    def fingerprint(self):
        return "colours"

    def encode(self, texts, names):
        assert texts == [f"a photo of a {name}." for name in names]
        return F.normalize(torch.tensor([COLOURS[name] for name in names]), dim=1)


class MeanColour(nn.Module):
    dim = 3

    def forward(self, crops):
        assert crops.shape[1:] == (3, 8, 8)
        return F.normalize(crops.mean(dim=(2, 3)), dim=1)


class ColourRecognizer(DualEncoder):
    def __init__(self):
        super().__init__(MeanColour(), ColourWords(), nn.Identity())


class Pictures(list):
    vocabulary = Vocabulary(("red", "green", "blue"))


def picture(*things):
    """Return a sample with a painted 10 px square for each (colour, label)."""
    image = torch.zeros(3, 10, 40)
    for i, (colour, _) in enumerate(things):
        image[:, :, 10 * i : 10 * i + 10] = torch.tensor(COLOURS[colour]).view(3, 1, 1)
    boxes = torch.tensor([[10.0 * i, 0, 10 * i + 10, 10] for i in range(len(things))])
    labels = torch.tensor([label for _, label in things], dtype=torch.int64)
    owner = torch.zeros(len(things), dtype=torch.int64)
    return Sample(image, 0, truth=Regions(boxes.reshape(-1, 4), owner, labels=labels))


@pytest.fixture
def pictures():
    """Three objects painted as they are called, a red one painted orange, an empty picture."""
    unlabelled = Sample(torch.zeros(3, 10, 10), 0)
    return Pictures([picture(("red", 0), ("green", 1)), unlabelled, picture(("orange", 0))])


def test_distractors_compete_in_a_second_figure(pictures):
    model = ColourRecognizer().train()
    hook = CropNaming(pictures, size=8, distractors=("orange", "white", "red"))
    figures = hook.measure(model)
    assert figures == {
        "crops/top1 of 3": 1.0,
        "crops/top1 of 5": pytest.approx(2 / 3),  # "red" stands once; "orange" takes one
    }


def test_without_distractors_there_is_one_figure(pictures):
    pictures.append(picture(("green", 2)))  # called blue
    figures = CropNaming(pictures, size=8).measure(ColourRecognizer())
    assert figures == {"crops/top1 of 3": 0.75}


def test_figures_join_what_the_run_measured(pictures, caplog):
    runner = SimpleNamespace(model=ColourRecognizer(), logger=logging.getLogger("naming"))
    metrics = {"retrieval/image_to_text@1": 0.5}
    with caplog.at_level("INFO"):
        CropNaming(pictures, size=8).after_val_epoch(runner, metrics)
    assert metrics == {"retrieval/image_to_text@1": 0.5, "crops/top1 of 3": 1.0}
    assert caplog.messages == ["ground-truth crops: crops/top1 of 3 1.000"]


class StubDetector(nn.Module):
    """Proposes the same boxes in every image."""

    def __init__(self, boxes):
        super().__init__()
        self.boxes = torch.tensor(boxes).reshape(-1, 4)

    def trunk(self, images):
        return [images]

    def proposals(self, levels, images):
        assert levels[0] is images
        assert images.shape[2] % 32 == images.shape[3] % 32 == 0
        return Regions(self.boxes, torch.zeros(len(self.boxes), dtype=torch.int64)), {}

    def name_regions(self, samples, regions, vocabulary):
        """Call everything a dog, the last box of a picture a cat."""
        assert len(samples) == 1
        scores = torch.tensor([[0.1, 0.2]] * len(regions))
        scores[-1] = torch.tensor([0.6, 0.3])
        return scores[:, : len(vocabulary)]


class CatsAndDogs(list):
    vocabulary = Vocabulary(("cat", "dog"), novel=(False, True))


def objects():
    """Two images: a cat and a dog, then two dogs."""
    images = [[([0, 0, 10, 10], 0), ([20, 0, 30, 10], 1)], [([0, 0, 10, 11], 1), ([0, 0, 5, 9], 1)]]
    samples = []
    for image_id, things in enumerate(images):
        truth = Regions(
            torch.tensor([box for box, _ in things], dtype=torch.float32),
            torch.zeros(len(things), dtype=torch.int64),
            labels=torch.tensor([label for _, label in things]),
        )
        samples.append(Sample(torch.zeros(3, 20, 40), image_id, truth=truth))
    return CatsAndDogs([*samples, Sample(torch.zeros(3, 20, 40), 9, truth=truth[:0])])


def test_recall_of_proposals_by_hand():
    # The box covers the cat, and of the dogs only the one of IoU 100 / 110, not that of 45 / 100.
    found = proposal_recall(StubDetector([[0.0, 0, 10, 10]]), objects())
    expected = {"base": 1.0, "novel": 1 / 3, "all": 2 / 4}
    assert found == {f"proposals@100/{k}": pytest.approx(v) for k, v in expected.items()}


def test_recall_counts_the_first_proposals_alone():
    detector = StubDetector([[50.0, 50, 60, 60], [0.0, 0, 10, 10]])
    assert proposal_recall(detector, objects(), top=1)["proposals@1/all"] == 0
    assert proposal_recall(detector, objects(), top=2)["proposals@2/all"] == 0.5


def test_no_proposal_covers_nothing():
    assert proposal_recall(StubDetector([]), objects())["proposals@100/all"] == 0


def test_a_model_without_proposals_has_no_recall():
    assert proposal_recall(nn.Identity(), SimpleNamespace()) == {}


def test_names_of_boxes_by_hand(caplog):
    # Said: dog, cat; dog, cat. True: cat, dog; dog, dog. The empty picture does not count.
    runner = SimpleNamespace(
        model=StubDetector([[0.0, 0, 10, 10]]),
        val_dataloader=SimpleNamespace(dataset=objects()),
        logger=logging.getLogger("naming"),
    )
    metrics = {}
    with caplog.at_level("INFO"):
        BoxNaming(top=9).after_val_epoch(runner, metrics)
    assert metrics["boxes/naming top1"] == 0.25
    assert metrics["proposals@9/all"] == 0.5
    assert caplog.messages[0].startswith("ground-truth boxes: boxes/naming top1 0.250, proposals@9")

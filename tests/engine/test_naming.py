"""Naming of crops by a recognizer whose embeddings are colours."""

import logging
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.engine.naming import CropNaming
from ovdet.structures import Regions, Sample, Vocabulary

COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "orange": (1.0, 0.5, 0.0),
    "white": (1.0, 1.0, 1.0),
}


class ColourWords:
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


class ColourRecognizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.text = ColourWords()
        self.image = MeanColour()
        self.log_scale = nn.Parameter(torch.zeros(()))


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

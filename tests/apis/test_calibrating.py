"""Calibration by hand: a fake detector whose scores are known, on pictures without anything."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ovdet.apis.calibrating import Judged, calibrate, judge, suggest
from ovdet.apis.model import Model, Settings
from ovdet.structures import InputError, Regions, Text, Vocabulary
from ovdet.structures.prompts import Prompts

NAMES = ["cat", "dog", "elk"]
VECTORS = {"cat": [1.0, 0.0], "dog": [0.6, 0.8], "elk": [0.0, 1.0]}


class Fake(nn.Module):
    """Finds class i of those asked for in column i of the picture, with a score of its own."""

    scores = (0.9, 0.6, 0.75)

    def __init__(self):
        super().__init__()
        self.text = lambda vocabulary: Text(
            classes=torch.tensor([VECTORS[name] for name in vocabulary.names])
        )

    def predict(self, samples, vocabulary, *, threshold, top_k):
        assert (threshold, top_k) == (0.01, 100)
        assert not vocabulary.thresholds
        rows = torch.arange(len(vocabulary))
        left = rows.float()[:, None] * 10
        boxes = torch.cat([left, left * 0, left + 10, left * 0 + 10], dim=1)
        return [Regions(boxes, rows * 0, torch.tensor(self.scores)[rows], rows) for _ in samples]


@pytest.fixture
def model():
    return Model(Fake(), Settings(None), torch.device("cpu"), "fake")


@pytest.fixture
def labelled(tmp_path):
    """Two pictures: a cat where it is found in both, a dog where it is found in one."""
    boxes = [(1, 1, [0, 0, 10, 10]), (2, 1, [0, 0, 10, 10]), (2, 2, [10, 0, 10, 10])]
    entries = [
        {"id": i, "image_id": image, "category_id": 5 * category, "bbox": box}
        | {"area": 100, "iscrowd": 0}
        for i, (image, category, box) in enumerate(boxes, 1)
    ]
    images = [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 10} for i in (1, 2)]
    categories = [{"id": 5, "name": "cat"}, {"id": 10, "name": "dog"}]
    record = {"images": images, "annotations": entries, "categories": categories}
    (tmp_path / "labels.json").write_text(json.dumps(record))
    for image in images:
        Image.new("RGB", (40, 10)).save(tmp_path / image["file_name"])
    return tmp_path / "labels.json", tmp_path


def test_detections_are_judged(model, labelled):
    labels, judged = judge(model, *labelled, ["elk", "dog", "cat"])
    assert labels == Vocabulary.of(["elk", "dog", "cat"])
    assert judged.positives.tolist() == [0, 1, 2]
    found = sorted(zip(judged.label.tolist(), judged.right.tolist(), strict=True))
    assert found == [(1, False), (1, True), (2, False), (2, False)]  # the cat's column is the third


def test_the_categories_of_the_file_are_the_classes(model, labelled):
    labels, judged = judge(model, *labelled)
    assert labels.names == ("cat", "dog")
    order = np.lexsort((judged.right, judged.label))
    assert judged.label[order].tolist() == [0, 0, 1, 1]
    assert judged.right[order].tolist() == [True, True, False, True]
    assert judged.score[order] == pytest.approx([0.9, 0.9, 0.6, 0.6])


@pytest.mark.parametrize("kind", [Vocabulary.of, Prompts.of])
def test_old_scores_are_not_looked_at(model, labelled, kind):
    asked = kind(["cat"])
    old = Vocabulary(("cat",), thresholds=(0.99,), temperature=3.0, basis="labels")
    asked = Prompts(asked.prompts, old) if kind == Prompts.of else old
    labels, judged = judge(model, *labelled, asked)
    assert labels == Vocabulary.of(["cat"])
    assert judged.right.all()


def test_thresholds_and_temperature_by_hand():
    """Odds of 9 and right 3 of 4 times, odds of 1/9 and right 1 of 4: temperature log 9 / log 3.

    Of class 0 all four at 0.9 are believed, from (0.9 + 0.1) / 2 on, as of both together; class 1
    is never right where it is believed by itself.
    """
    score = np.array([0.9] * 4 + [0.1] * 4)
    right = np.array([True, True, True, False, True, False, False, False])
    label = np.array([0] * 8)
    judged = Judged(label, score, right, np.array([4, 0]))
    found = calibrate(Vocabulary.of(["a", "b"]), judged)
    assert found.basis == "labels"
    assert found.temperature == pytest.approx(2.0)
    assert found.thresholds == (0.5, 0.5)
    assert judged.f1(found, 0.3) == pytest.approx(6 / 8)
    assert judged.f1(Vocabulary.of(["a", "b"]), 0.05) == pytest.approx(8 / 12)


def test_nothing_found_right():
    nothing = Judged(np.zeros(0, int), np.zeros(0), np.zeros(0, bool), np.array([3]))
    with pytest.raises(InputError, match="none of the labelled objects was found"):
        calibrate(Vocabulary.of(["a"]), nothing)


def test_strange_classes_are_told(model, labelled):
    with pytest.raises(InputError, match=r"labels\.json: none of the classes .* such as 'emu'"):
        judge(model, *labelled, ["emu"])


def test_a_suggestion_by_hand(model):
    """Pairs are alike by 0, 0.6 and 0.8: from 0.6 at 0.3 on, 0.8 is half the way to 1."""
    assert suggest(model, NAMES).thresholds == (0.3, 0.475, 0.475)
    VECTORS["emu"] = [0.0, 1.0]  # as elk: pairs are 0, 0, 0.6, 0.8, 0.8 and 1, the median 0.7
    found = suggest(model, [*NAMES, "emu"])
    assert found.thresholds == (0.3, pytest.approx(0.3 + 0.35 / 3, abs=1e-4), 0.65, 0.65)
    assert (found.basis, found.temperature) == ("suggestion", 1.0)
    assert suggest(model, ["cat"]).thresholds == (0.3,)

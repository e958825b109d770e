import math

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou as reference

from ovdet.evaluation import class_agnostic_recall
from ovdet.evaluation.recall import box_iou


def truth(*objects):
    keys = ("image_id", "category_id", "bbox")
    return {"annotations": [dict(zip(keys, one, strict=True)) for one in objects]}


def found(*results):
    return [dict(zip(("image_id", "score", "bbox"), one, strict=True)) for one in results]


def test_each_group_has_its_own_recall():
    objects = truth((1, 5, [0, 0, 10, 10]), (1, 9, [20, 0, 10, 10]), (2, 5, [0, 0, 10, 10]))
    results = found((1, 0.9, [0, 0, 10, 6]), (1, 0.8, [20, 0, 10, 4]), (2, 0.1, [0, 0, 10, 10]))
    assert class_agnostic_recall(objects, results, [9]) == {
        "base": 1.0,
        "novel": 0.0,
        "all": pytest.approx(2 / 3),
    }


def test_a_box_of_another_image_covers_nothing():
    objects = truth((1, 5, [0, 0, 10, 10]))
    assert class_agnostic_recall(objects, found((2, 0.9, [0, 0, 10, 10])))["all"] == 0


def test_only_the_best_count():
    objects = truth((1, 5, [0, 0, 10, 10]))
    results = found((1, 0.1, [0, 0, 10, 10]), (1, 0.9, [30, 0, 10, 10]))
    assert class_agnostic_recall(objects, results, top=1)["all"] == 0
    assert class_agnostic_recall(objects, results, top=2)["all"] == 1


def test_crowds_and_nothing():
    objects = truth((1, 5, [0, 0, 10, 10]))
    objects["annotations"][0]["iscrowd"] = 1
    for world in (objects, truth()):
        assert all(math.isnan(value) for value in class_agnostic_recall(world, []).values())


def test_overlap_equals_torchvision():
    rng = np.random.default_rng(0)
    low = rng.random((9, 2)) * 20
    boxes = np.concatenate([low, low + 1 + rng.random((9, 2)) * 20], axis=1)
    expected = reference(torch.from_numpy(boxes[:4]), torch.from_numpy(boxes[4:]))
    assert np.allclose(box_iou(boxes[:4], boxes[4:]), expected.numpy())

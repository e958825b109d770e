"""Whatever a JSON file holds, what is wrong with it is an InputError of one line."""

import copy
import json
import math

import numpy as np
import pytest
from PIL import Image

from ovdet.evaluation import (
    evaluate_classification,
    evaluate_expressions,
    evaluate_panoptic_files,
    evaluate_phrases,
)
from ovdet.evaluation.entries import box, brief, finite, items, whole
from ovdet.structures import InputError

ODD = (None, True, -1, 10**30, 0.5, math.nan, math.inf, "x", "", [], [1], {}, {"a": []}, [[]] * 4)


def test_what_is_right_comes_back():
    entry = {"id": 3, "score": 1, "bbox": [1, 2, 3, 0.5], "names": ["a"]}
    assert whole(entry, "id", "it") == 3
    assert finite(entry, "score", "it") == 1.0
    assert box(entry, "it") == [1.0, 2.0, 3.0, 0.5]
    assert items(entry, "names", "it") == ["a"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: whole({"id": True}, "id", "it"), "it must have a whole number 'id', got True"),
        (lambda: whole([], "id", "it"), r"it must be an object, got \[\]"),
        (lambda: finite({}, "score", "it"), "it must have a finite number 'score', got None"),
        (lambda: box({"bbox": [0, 0, -1, 1]}, "it"), "sides of 0 or more"),
        (lambda: box({"bbox": [0, 0, 1]}, "it"), "it must have a 'bbox' of four"),
        (lambda: items({"a": "text"}, "a", "it"), "it must have a list 'a', got 'text'"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_long_values_are_cut():
    assert len(brief("x" * 100)) == 60


def places(value, path=()):
    """Yield the path of every value in a JSON record."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def damaged(record, rng):
    """Return a copy with one value replaced by something odd, or a key removed."""
    record = copy.deepcopy(record)
    paths = [path for path in places(record) if path]
    *path, last = paths[rng.integers(len(paths))]
    holder = record
    for key in path:
        holder = holder[key]
    if rng.random() < 0.2 and isinstance(holder, dict):
        del holder[last]
    else:
        holder[last] = ODD[rng.integers(len(ODD))]
    return record


PHRASES = {
    "images": [{"id": 1, "height": 40, "width": 40}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 9, 9]}],
    "categories": [{"id": 5, "name": "thing"}],
    "sentences": [{"image_id": 1, "text": "a cat", "phrases": [{"annotation_ids": [1]}]}],
}
BOXES = [{"image_id": 1, "sentence": 0, "phrase": 0, "bbox": [0, 0, 9, 9], "score": 0.5}]
CLASSES = {
    "images": [{"id": 1}],
    "annotations": [{"image_id": 1, "category_id": 5}],
    "categories": [{"id": 5}],
}
ANSWERS = [{"image_id": 1, "category_id": 5, "score": 0.5}]


def survives(call):
    """Tell whether a call gives figures; anything but an InputError of one line is raised."""
    try:
        call()
    except InputError as error:
        return "\n" in str(error)
    return True


@pytest.mark.parametrize(
    ("evaluate", "truth", "results"),
    [
        (evaluate_phrases, PHRASES, BOXES),
        (evaluate_expressions, PHRASES, BOXES),
        (evaluate_classification, CLASSES, ANSWERS),
    ],
)
def test_damaged_records(evaluate, truth, results):
    assert survives(lambda: evaluate(truth, results))
    rng = np.random.default_rng(0)
    fates = set()
    for _ in range(150):
        fates.add(survives(lambda: evaluate(truth, damaged(results, rng))))
        broken = damaged(truth, rng)
        if all(isinstance(broken.get(key), list) for key in truth):  # as read_truth makes sure
            fates.add(survives(lambda broken=broken: evaluate(broken, results)))
    assert fates == {True, False}


def test_damaged_panoptic_files(tmp_path):
    infos = [{"id": 1, "category_id": 5, "iscrowd": 0}, {"id": 2, "category_id": 7}]
    annotation = {"image_id": 1, "file_name": "1.png", "segments_info": infos}
    record = {"annotations": [annotation], "categories": [{"id": 5, "name": "a"}, {"id": 7}]}
    ids = np.repeat([1, 2], 8).reshape(4, 4).astype(np.uint8)
    for side in ("gt", "found"):
        (tmp_path / side).mkdir()
        Image.fromarray(np.stack([ids, ids * 0, ids * 0], axis=-1)).save(tmp_path / side / "1.png")
    paths = [tmp_path / "gt.json", tmp_path / "found.json"]
    rng = np.random.default_rng(0)
    fates = set()
    for number in range(120):
        for path in paths:
            path.write_text(json.dumps(record))
        paths[number % 2].write_text(json.dumps(damaged(record, rng)))
        fates.add(survives(lambda: evaluate_panoptic_files(*paths)))
    assert fates == {True, False}

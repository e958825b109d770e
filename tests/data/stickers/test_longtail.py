import json
from collections import Counter

import numpy as np
import pytest

from ovdet.data.coco import CocoDataset
from ovdet.data.stickers import longtail
from ovdet.data.stickers.longtail import (
    Federated,
    LvisWriter,
    frequency_of,
    look_at,
    tail_weights,
)
from ovdet.data.stickers.names import HELD_OUT, NAMES
from ovdet.data.stickers.scenes import Placed
from ovdet.data.stickers.tracks import write_track
from ovdet.evaluation import evaluate_lvis
from ovdet.structures import Vocabulary

NOTHING = Federated((), (), ())


def thing(name):
    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:5] = True
    return Placed(name, None, (2, 1, 5, 3), mask, 0.0)


def read(folder, name):
    return json.loads((folder / "annotations" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_tail_is_exponential():
    weights = np.sort(tail_weights(101))
    assert weights.sum() == pytest.approx(1)
    ratios = weights[1:] / weights[:-1]
    assert ratios == pytest.approx(np.full(100, np.exp(4.6 / 100)))
    assert tail_weights(1).tolist() == [1.0]


@pytest.mark.parametrize(
    ("found", "images", "frequency"),
    [
        (0, 6000, "r"), (10, 6000, "r"), (11, 6000, "c"), (100, 6000, "c"), (101, 6000, "f"),
        (1, 600, "r"), (2, 600, "c"), (11, 600, "f"), (1, 59, "f"),
    ],
)  # fmt: skip
def test_frequencies_are_those_of_lvis_at_6000_images(found, images, frequency):
    assert frequency_of(found, images) == frequency


def test_what_is_said_is_true_and_not_all():
    names = [f"class {i}" for i in range(40)]
    there = [thing(name) for name in ["class 1"] * 3 + ["class 2"] * 2 + ["class 3", "class 4"]]
    count = Counter(item.name for item in there)
    silent = unfinished = 0
    for seed in range(400):
        said = look_at(np.random.default_rng(seed), there, names)
        told = Counter(item.name for item in said.objects)
        assert all(any(item is other for other in there) for item in said.objects)
        assert not set(said.negative) & set(count)
        assert len(set(said.negative)) == 12
        for name in told:
            assert (told[name] < count[name]) == (name in said.partial)
        assert set(said.partial) <= set(told)
        silent += len(set(count) - set(told))
        unfinished += len(said.partial)
    assert 0.07 < silent / (400 * 4) < 0.13  # a class in ten is overlooked
    assert 0.25 < unfinished / (400 * 2 * 0.9) < 0.35  # of those that come twice and were seen


def test_few_classes_leave_few_negatives():
    said = look_at(np.random.default_rng(0), [thing("a")], ["a", "b", "c"])
    assert said.negative == ("b", "c")
    assert look_at(np.random.default_rng(0), [], ["a"]) == Federated((), (), ("a",))


def test_the_file_counts_and_hides_what_is_rare():
    writer = LvisWriter(["a", "b", "c"])
    writer.add("0.png", (6, 8), Federated((thing("a"), thing("a"), thing("c")), ("c",), ("b",)))
    writer.add("1.png", (6, 8), Federated((thing("a"),), (), ("b", "c")))
    for number in range(2, 60):
        writer.add(f"{number}.png", (6, 8), NOTHING)
    categories = writer.categories()
    assert [(item["image_count"], item["instance_count"]) for item in categories] == [
        (2, 3), (0, 0), (1, 1)
    ]  # fmt: skip
    assert [item["frequency"] for item in categories] == ["f", "r", "c"]
    whole = json.loads(writer.to_json(categories))
    assert [item["category_id"] for item in whole["annotations"]] == [1, 1, 3, 1]
    assert whole["annotations"][0]["bbox"] == [2, 1, 3, 2]
    assert whole["images"][1]["neg_category_ids"] == [2, 3]
    assert whole["images"][0]["not_exhaustive_category_ids"] == [3]
    for item in categories:
        item["frequency"] = {1: "f", 2: "c", 3: "r"}[item["id"]]
    hidden = json.loads(writer.to_json(categories, rare=False))
    assert [item["id"] for item in hidden["annotations"]] == [1, 2, 4]
    assert hidden["images"][1]["neg_category_ids"] == [2]
    assert hidden["images"][0]["not_exhaustive_category_ids"] == []
    assert hidden["categories"] == categories
    assert len(hidden["images"]) == 60


def test_the_track_is_read_as_any_federated_file(small_track):
    folder = small_track("stickers-lv")
    ann_file = folder / "annotations" / "train_all.json"
    dataset = CocoDataset(str(ann_file), str(folder / "train"))
    assert dataset.annotations.federated
    assert set(dataset.vocabulary.names) == set(NAMES)
    assert not set(dataset.vocabulary.names) & set(HELD_OUT)
    stored = Vocabulary.load(folder / "annotations" / "vocabulary.json")
    assert stored.frequency == dataset.vocabulary.frequency
    assert stored.novel == tuple(one == "r" for one in stored.frequency)
    assert stored.ids == tuple(range(1, len(NAMES) + 1))
    for i in range(len(dataset)):
        sample = dataset[i]
        assert sample.image.shape == (3, 160, 160)
        present = set(sample.truth.labels.tolist())
        assert len(sample.negative) == 12
        assert not present & set(sample.negative)
        assert set(sample.not_exhaustive) <= present


def test_an_evaluator_minds_what_was_asked_and_nothing_else(small_track):
    truth = read(small_track("stickers-lv"), "val")
    found = [
        {key: item[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5}
        for item in truth["annotations"]
    ]
    assert evaluate_lvis(truth, found)["all/AP"] == pytest.approx(1)
    shown = {item["category_id"] for item in truth["annotations"]}
    wrong = []
    for image in truth["images"]:
        own = {i["category_id"] for i in truth["annotations"] if i["image_id"] == image["id"]}
        entry = {"image_id": image["id"], "bbox": [0, 0, 9, 9], "score": 0.9}
        unasked = shown - own - set(image["neg_category_ids"])
        wrong += [entry | {"category_id": number} for number in unasked]
    assert wrong
    assert evaluate_lvis(truth, found + wrong)["all/AP"] == pytest.approx(1)
    for image in truth["images"]:  # the same mistakes, where it was looked and nothing found
        image["neg_category_ids"] = sorted(
            {item["category_id"] for item in wrong if item["image_id"] == image["id"]}
        )
    assert evaluate_lvis(truth, found + wrong)["all/AP"] < 0.9


@pytest.mark.usefixtures("font")
def test_rare_classes_are_not_spoken_of_in_training(tmp_path, monkeypatch):
    monkeypatch.setattr(longtail, "_RARE", 8)  # of 12 images: rare in one of them
    monkeypatch.setattr(longtail, "_COMMON", 4)
    write_track("stickers-lv", tmp_path / "lv", train=12, val=1)
    train, norare, val = (
        read(tmp_path / "lv", name) for name in ("train_all", "train_norare", "val")
    )
    assert train["categories"] == norare["categories"] == val["categories"]
    shown = {item["category_id"] for item in train["annotations"]}
    rare = {item["id"] for item in train["categories"] if item["frequency"] == "r"}
    assert shown & rare
    assert shown - rare
    assert norare["annotations"] == [
        item for item in train["annotations"] if item["category_id"] not in rare
    ]
    for image, less in zip(train["images"], norare["images"], strict=True):
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            assert less[key] == [number for number in image[key] if number not in rare]
        assert image["file_name"] == less["file_name"]

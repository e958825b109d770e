"""Real photos and annotations through conversions and data sets."""

import json
from pathlib import Path

import numpy as np
import pytest

from ovdet.data import CocoDataset, PanopticDataset, SemanticDataset
from ovdet.data.convert import convert
from ovdet.structures import Vocabulary

DATA = Path(__file__).parents[3] / "shared" / "data"
COCO = DATA / "photos" / "coco"
pytestmark = pytest.mark.skipif(not COCO.is_dir(), reason=f"no photos at {COCO}")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def by_id(record):
    return {entry["id"]: entry for entry in record["annotations"]}


def test_the_division_of_coco_is_that_of_others(tmp_path):
    convert("coco-ov", COCO, tmp_path / "ov", partial=True)
    # cut from the same photos without this code
    theirs = COCO / "annotations"
    base, ours = read(theirs / "ovcoco_train_base48.json"), read(tmp_path / "ov/train_base.json")
    assert by_id(ours) == by_id(base)
    both, ours = read(theirs / "ovcoco_val_all65.json"), read(tmp_path / "ov/val_65.json")
    assert by_id(ours) == by_id(both)
    assert {i["id"] for i in ours["images"]} == {i["id"] for i in both["images"]}
    assert {c["id"] for c in ours["categories"]} == {c["id"] for c in both["categories"]}
    novel = {c["id"] for c in ours["categories"] if c["novel"]}
    assert sum(a["category_id"] in novel for a in ours["annotations"]) == 112
    dataset = CocoDataset(
        str(tmp_path / "ov/val_65.json"), str(COCO / "images/val2017"), vocabulary="@coco-ov"
    )
    assert len(dataset) == 127
    assert dataset[3].image.shape[0] == 3


def test_segments_have_the_areas_and_boxes_of_their_file():
    path = COCO / "annotations/panoptic_val2017.json"
    dataset = PanopticDataset(
        str(path), str(path.with_suffix("")), str(COCO / "images/val2017"),
        vocabulary="@coco-panoptic",
    )  # fmt: skip
    assert (len(dataset), len(dataset.vocabulary), sum(dataset.things)) == (100, 133, 80)
    assert len(dataset.segments.ids) == 1078
    annotations = {entry["image_id"]: entry for entry in read(path)["annotations"]}
    ids = dataset.vocabulary.category_ids
    for index in range(0, 100, 10):
        sample = dataset[index]
        infos = annotations[sample.image_id]["segments_info"]
        wanted = sorted((s["category_id"], s["area"]) for s in infos if not s["iscrowd"])
        areas = sample.truth.masks.flatten(1).sum(dim=1).tolist()
        found = zip((ids[i] for i in sample.truth.labels), areas, strict=True)
        assert sorted(found) == wanted


def test_street_scenes_are_label_maps(tmp_path):
    folder = DATA / "camvid"
    classes = read(folder / "classes.json")
    novel = tuple(name in classes["novel"] for name in classes["classes"])
    Vocabulary(tuple(classes["classes"]), novel=novel).save(tmp_path / "vocabulary.json")
    places = (folder / "labels/val", folder / "images/val", tmp_path / "vocabulary.json")
    dataset = SemanticDataset(*map(str, places), hide_novel=True)
    assert len(dataset) == 34
    shown = np.unique(np.concatenate([dataset[i].semantic.unique() for i in range(0, 34, 8)]))
    assert set(shown.tolist()) <= {-1} | {i for i, hidden in enumerate(novel) if not hidden}
    assert len(shown) > 5

import json
from dataclasses import replace

import numpy as np
import pytest
import supervision
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from ovdet.apis import Found, Result
from ovdet.structures import InputError, Vocabulary

NAMES = ("cat", " Red  car", "日本 猫")


def left_half(box, height=40, width=60):
    mask = np.zeros((height, width), np.uint8)
    x1, y1, x2, y2 = (int(v) for v in box)
    mask[y1:y2, x1 : (x1 + x2) // 2] = 1
    return mask


BOXES = [[10, 20, 30, 36], [0, 0, 60, 40], [1.5, 2.25, 4, 8]]


@pytest.fixture
def result():
    rles = tuple(coco_mask.encode(np.asfortranarray(left_half(box))) for box in BOXES)
    return Result(
        boxes=np.array(BOXES, np.float32),
        scores=np.array([0.9, 0.5, 0.25], np.float32),
        class_ids=np.array([1, 0, 2]),
        vocabulary=Vocabulary(NAMES, ids=(7, 8, 40)),
        image=np.full((40, 60, 3), 9, np.uint8),
        rles=rles,
        file_name="photos/a.png",
    )


@pytest.fixture
def empty(result):
    return result[:0]


def test_labels_are_the_strings_given(result):
    assert result.labels == [" Red  car", "cat", "日本 猫"]


def test_it_iterates_and_slices(result):
    assert len(result) == 3
    assert [found.label for found in result] == result.labels
    first = result[0]
    assert isinstance(first, Found)
    assert first.box == (10, 20, 30, 36)
    assert first.score == pytest.approx(0.9)
    assert (first.mask == left_half(BOXES[0]).astype(bool)).all()
    assert result[-1].label == "日本 猫"
    for picked in (result[1:], result[[1, 2]], result[result.scores < 0.6]):
        assert picked.labels == ["cat", "日本 猫"]
        assert picked.masks.sum() == result.masks[1:].sum()
    assert len(result[[]]) == 0
    with pytest.raises(IndexError):
        result[3]


def test_filter(result):
    assert result.filter(min_score=0.5).labels == [" Red  car", "cat"]
    assert result.filter(labels=["日本 猫", "cat"]).labels == ["cat", "日本 猫"]
    assert len(result.filter(min_score=0.6, labels=["cat"])) == 0
    with pytest.raises(InputError, match=r"among the classes asked for, got \['dog'\]"):
        result.filter(labels=["cat", "dog"])
    with pytest.raises(InputError, match="bare string 'cat'"):
        result.filter(labels="cat")


def test_coco_records(result):
    records = result.to_coco(image_id=5)
    assert [record["category_id"] for record in records] == [8, 7, 40]
    assert records[0]["bbox"] == [10, 20, 20, 16]
    assert records[2]["bbox"] == [1.5, 2.25, 2.5, 5.75]
    assert {record["image_id"] for record in records} == {5}
    assert (coco_mask.decode(json.loads(json.dumps(records[0]))["segmentation"])).sum() == 160


def test_saved_json_is_a_coco_file(result, tmp_path):
    result.save(tmp_path / "deep" / "a.json")
    file = json.loads((tmp_path / "deep" / "a.json").read_text(encoding="utf-8"))
    assert file["images"] == [{"id": 1, "file_name": "photos/a.png", "width": 60, "height": 40}]
    assert file["categories"][1] == {"id": 8, "name": " Red  car"}
    assert [a["id"] for a in file["annotations"]] == [1, 2, 3]
    assert {a["image_id"] for a in file["annotations"]} == {1}
    assert file["annotations"][0]["area"] == 160  # the mask's, half of 20 x 16
    boxes_only = replace(result, rles=None)
    boxes_only.save(tmp_path / "b.json")
    file = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert file["annotations"][0]["area"] == 320
    assert "segmentation" not in file["annotations"][0]


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.webp", "a.bmp", "a.tif"])
def test_saved_pictures_open(result, empty, tmp_path, name):
    for one in (result, empty):
        one.save(tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.size == (600, 400)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a", "a.txt", "a.pdfx"])
def test_other_suffixes_are_refused(result, tmp_path, name):
    with pytest.raises(InputError, match=r"must be \.json or a picture's"):
        result.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_supervision_reads_it(result, empty):
    found = result.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == BOXES
    assert found.data["class_name"].tolist() == result.labels
    assert found.class_id.tolist() == [1, 0, 2]
    assert (found.mask == result.masks).all()
    picked = found[found.confidence > 0.4]
    assert picked.data["class_name"].tolist() == [" Red  car", "cat"]
    assert len(empty.to_supervision()) == 0
    assert replace(result, rles=None).to_supervision().mask is None
    annotated = supervision.BoxAnnotator().annotate(result.image.copy(), found)
    assert annotated.shape == result.image.shape


def test_transformers_form(result, empty):
    found = result.to_transformers()
    assert found["text_labels"] == result.labels
    assert torch.equal(found["boxes"], torch.tensor(BOXES))
    assert found["labels"].tolist() == [1, 0, 2]
    assert empty.to_transformers()["boxes"].shape == (0, 4)


def test_emptiness_works_everywhere(empty):
    assert empty.labels == []
    assert empty.masks.shape == (0, 40, 60)
    assert empty.to_coco() == []
    assert list(empty) == []
    assert empty.table() == "nothing found"
    assert len(empty.filter(min_score=0.5, labels=["cat"])) == 0
    assert empty.plot().shape == (400, 600, 3)
    assert replace(empty, rles=None).masks is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.zeros((2, 4), np.float32)}, r"with N = 3 scores, got \[2, 4\]"),
        ({"class_ids": np.array([0, 1])}, r"got \[3, 4\] and \[2\]"),
        ({"class_ids": np.array([0, 1, 3])}, "must lie in 0 to 2, got 0 to 3"),
        ({"class_ids": np.array([-1, 1, 2])}, "got -1 to 2"),
        ({"rles": ()}, "masks must be one an object, got 0 for 3"),
    ],
)
def test_what_is_refused(result, changes, message):
    with pytest.raises(InputError, match=message):
        replace(result, **changes)

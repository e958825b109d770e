import json

import numpy as np
import pytest
import torch
from PIL import Image

from ovdet.data import PanopticDataset, RandomFlip
from ovdet.structures import InputError, Vocabulary

CAT, SKY, PERSON = 300, 70_000, 9  # ids that need the second and the third byte
IDS = np.array([[CAT, CAT, SKY, SKY], [CAT, 0, SKY, PERSON]])


def as_colours(ids):
    return np.stack([ids % 256, ids // 256 % 256, ids // 65_536], axis=2).astype(np.uint8)


@pytest.fixture
def record():
    def segment(number, category, area, crowd=0):
        return {"id": number, "category_id": category, "area": area, "iscrowd": crowd}

    segments = [segment(CAT, 17, 3), segment(SKY, 119, 3), segment(PERSON, 1, 1, crowd=1)]
    return {
        "images": [
            {"id": 4, "file_name": "4.jpg", "height": 2, "width": 4},
            {"id": 8, "file_name": "8.jpg", "height": 2, "width": 4},
        ],
        "annotations": [
            {"image_id": 8, "file_name": "8.png", "segments_info": segments},
            {"image_id": 4, "file_name": "4.png", "segments_info": []},
        ],
        "categories": [
            {"id": 1, "name": "person", "isthing": 1, "novel": False},
            {"id": 17, "name": "cat", "isthing": 1, "novel": True},
            {"id": 119, "name": "sky", "isthing": 0, "novel": False},
        ],
    }


@pytest.fixture
def folder(tmp_path):
    for number, ids in ((8, IDS), (4, np.zeros_like(IDS))):
        Image.new("RGB", (4, 2)).save(tmp_path / f"{number}.jpg")
        Image.fromarray(as_colours(ids)).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.fixture
def open_set(folder):
    def opened(record, **options):
        (folder / "panoptic.json").write_text(json.dumps(record))
        return PanopticDataset(str(folder / "panoptic.json"), str(folder), str(folder), **options)

    return opened


def test_segments_are_masks_and_pixels_have_classes(open_set, record):
    dataset = open_set(record)
    sample = dataset[0]
    assert (sample.image_id, sample.file_name) == (8, "8.jpg")
    assert sample.truth.labels.tolist() == [1, 2]  # the crowd is left out
    assert sample.truth.boxes.tolist() == [[0, 0, 2, 2], [2, 0, 4, 2]]
    assert torch.equal(sample.truth.masks, torch.from_numpy(np.stack([IDS == CAT, IDS == SKY])))
    assert sample.semantic.tolist() == [[1, 1, 2, 2], [1, -1, 2, 0]]
    assert dataset.things == (True, True, False)
    assert dataset.vocabulary.novel == (False, True, False)


def test_an_image_without_segments(open_set, record):
    sample = open_set(record)[1]
    assert sample.truth.masks.shape == (0, 2, 4)
    assert sample.semantic.unique().tolist() == [-1]


def test_a_vocabulary_limits_the_classes(open_set, record, folder):
    Vocabulary(("sky", "cat")).save(folder / "v.json")
    dataset = open_set(record, vocabulary=str(folder / "v.json"))
    assert dataset[0].truth.labels.tolist() == [1, 0]
    assert dataset[0].semantic.tolist() == [[1, 1, 0, 0], [1, -1, 0, -1]]
    assert dataset.things == (False, True)
    infos = dataset.to_coco()["annotations"][0]["segments_info"]
    assert [info["category_id"] for info in infos] == [17, 119]


def test_the_truth_goes_out_as_it_came_in(open_set, record):
    truth = open_set(record).metainfo["truth"]()
    assert truth["annotations"] == record["annotations"]
    assert [c["isthing"] for c in truth["categories"]] == [1, 1, 0]


def test_masks_and_map_move_together(open_set, record):
    sample = open_set(record, transforms=[RandomFlip(1.0)])[0]
    for mask, label in zip(sample.truth.masks, sample.truth.labels, strict=True):
        assert torch.equal(mask, sample.semantic == label)


def test_a_segment_that_is_not_listed_is_named(open_set, record):
    del record["annotations"][0]["segments_info"][0]
    with pytest.raises(InputError, match=r"8\.png: holds segment 300, which the file does not"):
        open_set(record)[0]


def test_another_size_is_named(open_set, record, folder):
    Image.new("RGB", (2, 4)).save(folder / "8.png")
    with pytest.raises(InputError, match=r"8\.png: must be 4 x 2 px as its image, got 2 x 4"):
        open_set(record)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("images"), "must be a COCO panoptic object with a list 'images'"),
        (lambda r: r["annotations"].clear(), "must annotate at least one image"),
        (lambda r: r["annotations"][0].update(image_id=5), r"annotations\[0\]: image_id must be"),
        (lambda r: r["annotations"].append(3), r"annotations\[2\]: image_id must be"),
        (lambda r: r["annotations"][1].pop("file_name"), r"annotations\[1\]: file_name must be"),
        (lambda r: r["annotations"][1].update(segments_info={}), r"annotations\[1\]: segments_inf"),
        (lambda r: r["images"][0].update(height=0), r"images\[0\]: height must be a whole number"),
    ],
)
def test_a_bad_entry_is_named(open_set, record, change, message):
    change(record)
    with pytest.raises(InputError, match=message):
        open_set(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "9"}, "a segment must have a whole number 'id'"),
        ({"category_id": 2}, "segment 300 has an unknown category_id"),
        ({"iscrowd": 2}, "segment 300 must have iscrowd 0 or 1"),
    ],
)
def test_a_bad_segment_is_named(open_set, record, change, message):
    record["annotations"][0]["segments_info"][0].update(change)
    with pytest.raises(InputError, match=message):
        open_set(record)

import copy
import json
import math

import pytest

from ovdet.evaluation import read_truth
from ovdet.evaluation.truth import as_truth
from ovdet.structures import InputError

TRUTH = {
    "images": [{"id": 9, "height": 4, "width": 6}, {"id": -2, "height": 4, "width": 6}],
    "annotations": [
        {"id": 0, "image_id": 9, "category_id": 8, "bbox": [0, 0, 2, 2], "area": 4},
        {"id": 0, "image_id": 9, "category_id": 3, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 1},
    ],
    "categories": [{"id": 8, "name": "a"}, {"id": 3, "name": "b"}],
}


def changed(key, place, **change):
    truth = copy.deepcopy(TRUTH)
    truth[key][place] |= change
    return truth


def test_everything_gets_a_new_id_in_the_order_of_the_old():
    found = as_truth(TRUTH)
    assert found.image_ids.tolist() == [-2, 9]
    assert found.category_ids.tolist() == [3, 8]
    assert [image["id"] for image in found.images] == [1, 2]
    assert found.objects[0] == []
    rows = [(o["id"], o["image_id"], o["category_id"], o["iscrowd"]) for o in found.objects[1]]
    assert rows == [(1, 2, 2, 0), (2, 2, 1, 1)]
    assert found.categories == [{"id": 1, "name": "1"}, {"id": 2, "name": "2"}]


def test_the_truth_is_left_alone():
    before = copy.deepcopy(TRUTH)
    as_truth(TRUTH)
    assert before == TRUTH


def test_federated_truth_has_no_crowds_but_lists_of_classes():
    truth = copy.deepcopy(TRUTH)
    for image in truth["images"]:
        image |= {"neg_category_ids": [3, 77], "not_exhaustive_category_ids": [8]}
    found = as_truth(truth, federated=True)
    assert found.images[0]["neg_category_ids"] == [1]  # a class that is not there is nobody's
    assert found.images[0]["not_exhaustive_category_ids"] == [2]
    assert not any(entry["iscrowd"] for entry in found.objects[1])


@pytest.mark.parametrize(
    ("truth", "kind", "message"),
    [
        (changed("images", 0, id=-2), "bbox", "image ids of the truth must be distinct, got -2"),
        (changed("images", 0, id="9"), "bbox", "image 0 of the truth must have a whole number"),
        (changed("categories", 0, id=3), "bbox", "category ids of the truth must be distinct"),
        (changed("annotations", 0, image_id=1), "bbox", "annotation 0 .* known image_id, got 1"),
        (changed("annotations", 1, category_id=1), "bbox", "known category_id, got 1"),
        (changed("annotations", 0, bbox=[1]), "bbox", "bbox of four numbers"),
        (changed("annotations", 0, area=None), "bbox", "a number as its area, got None"),
        (changed("annotations", 0, image_id=[9]), "bbox", r"known image_id, got \[9\]"),
        (changed("annotations", 1, bbox=[0, 0, 1, "1"]), "bbox", "bbox of four numbers"),
        (changed("annotations", 1, bbox=[0, 0, 1, math.nan]), "bbox", "bbox of four numbers"),
        (changed("annotations", 1, area=10**400), "bbox", "a number as its area"),
        (changed("images", 1, width="6"), "bbox", "width of image -2 .* whole number above 0"),
        (changed("annotations", 0, segmentation=[[0, 0, 1, 0]]), "segm", "polygons of three"),
        (changed("annotations", 0, segmentation=[[0, 0, 1, 0, 99, 9]]), "segm", "near the image"),
        (TRUTH, "segm", "mask evaluation needs a segmentation, annotation 0"),
        (
            changed("annotations", 0, segmentation={"size": [6, 4], "counts": "0"}),
            "segm",
            r"its image's size \[4, 6\], got \[6, 4\]",
        ),
    ],
)
def test_a_wrong_truth_is_refused(truth, kind, message):
    with pytest.raises(InputError, match=message):
        as_truth(truth, kind)


def test_runs_must_fill_the_image():
    truth = changed("annotations", 0, segmentation={"size": [4, 6], "counts": [24]})
    del truth["annotations"][1]
    assert as_truth(truth, "segm").objects[1][0]["segmentation"]["counts"] == [24]
    truth["annotations"][0]["segmentation"]["counts"] = [23]
    with pytest.raises(InputError, match="runs of annotation 0 of the truth must fill its image"):
        as_truth(truth, "segm")


def test_masks_need_the_image_size():
    truth = changed("annotations", 0, segmentation=[[0, 0, 1, 0, 1, 1]])
    del truth["annotations"][1], truth["images"][0]["height"]
    with pytest.raises(InputError, match="image 9 of the truth must have a height and a width"):
        as_truth(truth, "segm")


def test_files(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(TRUTH | {"info": {}}))
    assert read_truth(path) == TRUTH
    twice, flat = changed("images", 0, id=-2), changed("images", 0, height=0)
    for record, message in (
        ([], "must be a COCO object with a list 'images'"),
        ({**TRUTH, "annotations": 1}, "a list 'annotations'"),
        ({**TRUTH, "categories": [1]}, "categories must be objects"),
        (twice, "truth.json: image ids of the truth must be distinct"),
        (flat, "truth.json: height of image 9 of the truth must be a whole number above 0"),
    ):
        path.write_text(json.dumps(record))
        with pytest.raises(InputError, match=message):
            read_truth(path)

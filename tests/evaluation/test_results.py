import json
import math

import numpy as np
import pytest
from scenes import SIDE, draw

from ovdet.evaluation import Results, as_results, read_results
from ovdet.structures import InputError

TRUTH = {
    "images": [{"id": i, "height": SIDE, "width": SIDE} for i in (7, 3)],
    "annotations": [],
    "categories": [{"id": i, "name": f"class {i}"} for i in (5, 2)],
}
BOX = [1.0, 2.0, 3.0, 4.0]


def entry(**change):
    plain = {"image_id": 7, "category_id": 5, "score": 0.5, "bbox": BOX, "segmentation": draw(BOX)}
    return plain | change


def refused(message, *entries, kind="bbox", **options):
    with pytest.raises(InputError, match=message) as caught:
        as_results(entries, TRUTH, kind, **options)
    return str(caught.value)


def test_results_become_columns():
    found = as_results([entry(), entry(image_id=3, score=1, bbox=[0, 0, 1, 1])], TRUTH)
    assert found.image_ids.tolist() == [7, 3]
    assert found.category_ids.tolist() == [5, 5]
    assert found.scores.tolist() == [0.5, 1.0]
    assert found.boxes.tolist() == [BOX, [0, 0, 1, 1]]
    assert found.masks is None
    drawn = as_results([entry()], TRUTH, "segm")
    assert drawn.boxes is None
    assert list(drawn.masks) == [draw(BOX)]


def test_numbers_may_be_numpys():
    found = as_results(
        [
            entry(image_id=np.int32(7), score=np.float32(0.5), bbox=np.array(BOX)),
            entry(category_id=np.int64(2), bbox=tuple(BOX)),
        ],
        TRUTH,
    )
    assert found.scores.tolist() == [0.5, 0.5]
    assert found.boxes.tolist() == [BOX, BOX]


def test_no_results_are_results():
    assert len(as_results([], TRUTH)) == len(as_results([], TRUTH, "segm")) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 9}, "image_id 9 is not in the truth"),
        ({"category_id": 90}, "category_id 90 is not one of the truth's 2"),
        ({"score": math.nan}, "score must be finite, got nan"),
        ({"score": -math.inf}, "score must be finite, got -inf"),
        ({"bbox": [1, math.nan, 1, 1]}, "bbox must be four finite numbers"),
        ({"bbox": [1, 1, -1, 1]}, "bbox must have width and height of 0 or more"),
        ({"image_id": "7"}, "image_id must be a whole number, got '7'"),
        ({"category_id": 5.0}, "category_id must be a whole number, got 5.0"),
        ({"score": None}, "score must be a number, got None"),
        ({"score": True}, "score must be a number, got True"),
        ({"bbox": [1, 2, 3]}, r"bbox must be four numbers x, y, width, height, got \[1, 2, 3\]"),
        ({"bbox": ["1", 2, 3, 4]}, "bbox must be four numbers"),
        ({"bbox": None}, "bbox must be four numbers"),
        ({"image_id": 2**70}, "image_id must be a whole number"),
    ],
)
def test_the_first_wrong_entry_is_named_and_the_others_counted(change, message):
    told = refused(message, entry(), entry(**change), entry(), entry(**change), entry(**change))
    assert told.startswith("result 1")
    assert told.endswith("(and 2 more)")


def test_all_wrong_entries_are_counted_whatever_is_wrong():
    told = refused("image_id 9", entry(image_id=9), entry(score=math.nan), entry(category_id=1))
    assert told.startswith("result 0 (image 9)")
    assert told.endswith("(and 2 more)")
    assert not refused("score", entry(score=math.nan)).endswith("more)")


def test_entries_must_be_objects():
    assert "result 1: must be an object, got list" in refused("object", entry(), [])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"size": [9, 9], "counts": "0"}, r"must be of its image's size \[24, 24\], got \[9, 9\]"),
        ({"size": [SIDE, SIDE], "counts": "P4"}, r"runs must fill its \[24, 24\] px"),
        ({"size": [SIDE, SIDE], "counts": [3, 4]}, "runs must fill"),
        ({"size": [SIDE, SIDE], "counts": [SIDE * SIDE + 1, -1]}, "runs must fill"),
        ({"size": [SIDE, SIDE]}, "segmentation must be run lengths"),
        ([[0, 0, 1, 0, 1, 1]], "segmentation must be run lengths"),
    ],
)
@pytest.mark.parametrize("kind", ["segm", "boundary"])
def test_wrong_masks(kind, mask, message):
    told = refused(message, entry(), entry(segmentation=mask), kind=kind)
    assert told.startswith("result 1 (image 7)")


def test_masks_of_any_packing():
    plain = {"size": [SIDE, SIDE], "counts": [1, 2, SIDE * SIDE - 3]}
    packed = draw(BOX)
    as_bytes = packed | {"counts": packed["counts"].encode()}
    found = as_results([entry(segmentation=m) for m in (plain, packed, as_bytes)], TRUTH, "segm")
    assert len(found) == 3


def test_masks_are_wanted_where_there_are_none():
    bare = entry()
    del bare["segmentation"]
    refused("result 1: has no segmentation", entry(), bare, kind="segm")
    refused("kind must be one of", entry(), kind="keypoints")


def corners(count, seed=0):
    """Boxes x1, y1, x2, y2 inside the image."""
    low = np.random.default_rng(seed).integers(0, SIDE - 4, (count, 2))
    high = np.random.default_rng(seed + 1).integers(low + 1, SIDE + 1)
    return np.concatenate([low, high], axis=1).tolist()


@pytest.mark.parametrize("count", [1, 40])
def test_corners_instead_of_sides(count):
    boxes = [[15, 15, 20, 20], *corners(count - 1)]
    told = refused("the boxes look like x1, y1, x2, y2", *(entry(bbox=box) for box in boxes))
    beyond = sum(max(x + u, y + v) > 1.1 * SIDE for x, y, u, v in boxes)
    assert told.startswith("result 0 (image 7)")
    assert told.endswith(f"(and {beyond - 1} more)") == (beyond > 1)


def test_sides_that_leave_the_image_are_no_corners():
    """Detectors may guess beyond the border."""
    boxes = [[18, 2, 12, 5], [3, 3, 2, 2], [10, 4, 5, 30], [-4, -3, 20, 9], [20, 20, 1, 1]]
    assert len(as_results([entry(bbox=box) for box in boxes], TRUTH)) == 5


def test_without_sizes_of_images_nothing_is_said_about_corners():
    truth = TRUTH | {"images": [{"id": 7}]}
    assert len(as_results([entry(bbox=[15, 15, 20, 20])], truth)) == 1


def test_a_part_can_be_measured():
    entries = [entry(image_id=9), entry(score=0.25), entry(category_id=1)]
    found = as_results(entries, TRUTH, "segm", partial=True)
    assert found.scores.tolist() == [0.25]
    assert list(found.masks) == [draw(BOX)]
    refused("score must be finite", entry(image_id=9, score=math.nan), partial=True)
    refused("must be of its image's size", entry(segmentation={"size": [1, 1], "counts": "1"}),
            kind="segm", partial=True)  # fmt: skip


def test_files(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([entry()]))
    assert read_results(path, TRUTH).boxes.tolist() == [BOX]
    path.write_text('[{"image_id": 7, "category_id": 5, "score": NaN, "bbox": [1, 1, 1, 1]}]')
    with pytest.raises(InputError, match=r"results.json: result 0 \(image 7\): score"):
        read_results(path, TRUTH)
    for text, message in (('{"a": 1}', "must be a list of results, got an object"), ("[", "JSON")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_results(path, TRUTH)


def columns(scores):
    count = len(scores)
    return Results(np.arange(count), np.zeros(count, np.int64), np.array(scores, np.float64))


def test_the_best_of_each_group_stay_in_order():
    found = columns([0.1, 0.5, 0.9, 0.5, 0.5, 0.2])
    groups = np.array([1, 1, 1, 2, 2, 2])
    assert found.best(groups, 2).image_ids.tolist() == [1, 2, 3, 4]
    assert found.best(groups, 1).image_ids.tolist() == [2, 3]  # of ties the earlier
    assert found.best(groups, 3) is found


def test_masks_follow_their_detections():
    count = 4
    masks = [{"size": [1, 1], "counts": str(i)} for i in range(count)]
    found = Results(np.arange(count), np.arange(count), np.ones(count), masks=masks)
    twice = found.take(np.array([3, 1, 0])).take(np.array([2, 0]))
    assert [mask["counts"] for mask in twice.masks] == ["0", "3"]
    assert twice.masks[0:1] == [masks[0]]
    assert twice.image_ids.tolist() == [0, 3]

import numpy as np
import pytest
from detections import coco, result

from ovdet.evaluation.assignment import assign, find_overlaps
from ovdet.structures import InputError


def test_pairs_are_those_that_overlap_in_one_image():
    truth = coco([(1, 5, 0, 0, 10, 10), (2, 9, 0, 0, 10, 10)], images=2)
    results = [
        result(2, 9, (0, 0, 10, 5), 0.3),
        result(1, 9, (0, 0, 10, 8), 0.9),  # of another class: still a pair
        result(1, 5, (30, 30, 5, 5), 0.5),
    ]
    found = find_overlaps(truth, results)
    assert found.result.tolist() == [1, 2, 0]  # best first
    assert found.pair.tolist() == [[0, 0], [2, 1]]
    assert found.iou.tolist() == pytest.approx([0.8, 0.5])
    assert found.same.tolist() == [False, True]
    assert dict(zip(found.categories.tolist(), found.positives.tolist(), strict=True)) == {
        2: 0,
        4: 0,
        5: 1,
        9: 1,
    }


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_best_scored_takes_what_it_overlaps_most(kind):
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 5, 4, 0, 10, 10)])
    results = [result(1, 5, (1, 0, 10, 10), 0.2), result(1, 5, (3, 0, 10, 10), 0.9)]
    found = assign(find_overlaps(truth, results, kind))
    assert found.match.tolist() == [1, 0]  # the second result is first, on the second object
    assert found.taken.tolist() == [1, 0]


def test_a_crowd_excuses_and_is_never_full():
    truth = coco([(1, 5, 0, 0, 20, 20), (1, 5, 30, 30, 5, 5)])
    truth["annotations"][0]["iscrowd"] = 1
    results = [
        result(1, 5, (0, 0, 5, 5), 0.9),
        result(1, 5, (10, 10, 5, 5), 0.8),
        result(1, 2, (0, 0, 5, 5), 0.7),  # the crowd is of another class
        result(1, 5, (30, 30, 5, 5), 0.6),
    ]
    found = assign(find_overlaps(truth, results))
    assert found.counted.tolist() == [False, False, True, True]
    assert found.match.tolist() == [-1, -1, -1, 0]


def test_only_a_hundred_of_an_image_and_class_count():
    truth = coco([(1, 5, 0, 0, 10, 10)], images=2)
    results = [result(1, 5, (20, 20, 5, 5), 0.9)] * 101
    results += [result(1, 2, (0, 0, 5, 5), 0.1), result(2, 5, (0, 0, 5, 5), 0.1)]
    found = find_overlaps(truth, results)
    assert len(found.score) == 102
    assert found.result.tolist() == [*range(100), 101, 102]


def test_federated_truth_leaves_out_what_was_not_looked_for():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    truth["images"][0] |= {"neg_category_ids": [9], "not_exhaustive_category_ids": [5]}
    results = [
        result(1, 2, (0, 0, 10, 10), 0.9),  # neither there nor known to be absent
        result(1, 9, (0, 0, 10, 10), 0.8),  # known to be absent
        result(1, 5, (20, 20, 10, 10), 0.7),  # perhaps an object that nobody marked
        result(1, 5, (0, 0, 10, 10), 0.6),
    ]
    overlaps = find_overlaps(truth, results)
    assert overlaps.result.tolist() == [1, 2, 3]
    found = assign(overlaps)
    assert found.match.tolist() == [-1, -1, 0]
    assert found.counted.tolist() == [True, False, True]


def test_federated_truth_keeps_three_hundred_of_an_image():
    truth = coco([(1, 5, 0, 0, 10, 10)])
    truth["images"][0] |= {"neg_category_ids": [2, 4, 9], "not_exhaustive_category_ids": []}
    results = [result(1, c, (20, 20, 5, 5), 0.5) for c in (2, 4, 5, 9) for _ in range(80)]
    assert find_overlaps(truth, results).result.tolist() == list(range(300))


@pytest.mark.parametrize("boxes", [[], [(1, 5, 0, 0, 10, 10)]])
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_nothing_found(boxes, kind):
    found = assign(find_overlaps(coco(boxes), [], kind))
    assert found.taken.tolist() == [-1] * len(boxes)
    assert len(found.match) == 0


def test_nothing_to_find():
    overlaps = find_overlaps(coco([]), [result(1, 5, (0, 0, 10, 10), 0.9)])
    assert assign(overlaps).match.tolist() == [-1]
    assert overlaps.positives.sum() == 0


def test_what_lvis_says_to_ignore_is_no_object():
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 5, 20, 20, 10, 10)])
    truth["images"][0] |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    truth["annotations"][1]["ignore"] = 1
    results = [result(1, 5, (20, 20, 10, 6), 0.9), result(1, 5, (20, 20, 4, 4), 0.8)]
    overlaps = find_overlaps(truth, results)
    assert overlaps.annotation.tolist() == [0]
    assert assign(overlaps).counted.tolist() == [False, True]  # IoU 0.6 and 0.16


def test_boundaries_can_be_compared():
    truth = coco([(1, 5, 0, 0, 30, 30)])
    results = [result(1, 5, (1, 1, 30, 30), 0.9)]
    masks, boundaries = (find_overlaps(truth, results, kind).iou for kind in ("segm", "boundary"))
    assert masks.tolist() == pytest.approx([29**2 / (2 * 30**2 - 29**2)])
    # Outlines of 1 px that share only the two points where they cross.
    assert len(boundaries) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 7}, "result 1 .image 7.: image_id 7 is not in the truth"),
        ({"category_id": 1}, "category_id 1 is not one of"),
        ({"score": np.nan}, "score must be finite"),
        ({"bbox": [1, 2]}, "result 1: bbox must be four numbers"),
    ],
)
def test_bad_results(change, message):
    good = result(1, 5, (0, 0, 10, 10), 0.5)
    with pytest.raises(InputError, match=message):
        find_overlaps(coco([(1, 5, 0, 0, 10, 10)]), [good, good | change])


def test_bad_questions():
    truth, one = coco([(1, 5, 0, 0, 10, 10)]), result(1, 5, (0, 0, 10, 10), 0.5)
    with pytest.raises(InputError, match="kind must be one of"):
        find_overlaps(truth, [one], "keypoints")
    del truth["annotations"][0]["segmentation"]
    with pytest.raises(InputError, match="needs a segmentation"):
        find_overlaps(truth, [one], "segm")

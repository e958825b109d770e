import contextlib
import io
import math

import pytest
from detections import coco, result, scattered

from ovdet.evaluation import detection_errors, evaluate_coco
from ovdet.evaluation.errors import CAUSES
from ovdet.structures import InputError

# Two classes with one object each: 5 at the left, 9 at the right.
TRUTH = coco([(1, 5, 0, 0, 10, 10), (1, 9, 20, 0, 10, 10)], categories=(5, 9))
LEFT, RIGHT = result(1, 5, (0, 0, 10, 10), 0.9), result(1, 9, (20, 0, 10, 10), 0.9)


def counts(report):
    return {cause: report[f"count/{cause}"] for cause in CAUSES if report[f"count/{cause}"]}


def gains(report):
    return {c: report[f"gain/{c}"] for c in CAUSES if report[f"gain/{c}"] > 1e-9}


@pytest.mark.parametrize(
    ("extra", "cause"),
    [
        (result(1, 5, (20, 0, 10, 10), 0.95), "classification"),  # right place, wrong class
        (result(1, 5, (0, 0, 10, 4), 0.95), "localisation"),  # right class, IoU 0.4
        (result(1, 5, (20, 0, 10, 4), 0.95), "both"),  # wrong class, IoU 0.4
        (result(1, 5, (0, 0, 10, 9), 0.8), "duplicate"),  # the better-scored one is it already
        (result(1, 5, (0, 30, 5, 5), 0.95), "background"),
        (result(1, 5, (0, 9, 10, 10), 0.95), "background"),  # IoU 10 / 190, below 0.1
    ],
)
def test_each_cause_by_hand(extra, cause):
    found = detection_errors(TRUTH, [LEFT, RIGHT, extra])
    assert counts(found) == {cause: 1}
    # Before the right detection of its class the extra one halves the precision, behind it it
    # costs nothing: its removal is worth half of one of two classes, or nothing.
    expected = {} if cause == "duplicate" else {cause: pytest.approx(0.25)}
    assert gains(found) == expected
    assert found["AP"] == pytest.approx(1.0 - sum(gains(found).values()))


def test_a_missed_object():
    found = detection_errors(TRUTH, [LEFT])
    assert found["AP"] == pytest.approx(0.5)
    assert counts(found) == {"missed": 1}
    # Without its only object the class counts no more: the other one has AP 1.
    assert found["gain/missed"] == found["gain/false negatives"] == pytest.approx(0.5)
    assert found["gain/false positives"] == 0


def test_what_was_meant_for_an_object_explains_it():
    named_wrong = result(1, 5, (20, 0, 10, 10), 0.8)
    found = detection_errors(TRUTH, [LEFT, named_wrong])
    assert counts(found) == {"classification": 1}  # the object of 9 is not missed as well
    assert found["gain/classification"] == pytest.approx(0.5)  # under its name it would be right
    assert found["gain/missed"] == 0


def test_an_object_is_mended_once_by_the_best_scored():
    placed_wrong = result(1, 9, (20, 0, 10, 4), 0.7)
    named_wrong = result(1, 5, (20, 0, 10, 10), 0.8)
    found = detection_errors(TRUTH, [LEFT, named_wrong, placed_wrong])
    assert counts(found) == {"classification": 1, "localisation": 1}
    # Mended, the wrongly named one has the best score for 9: AP 1. The other is suppressed.
    assert found["AP"] == pytest.approx(0.5)
    assert found["gain/classification"] == pytest.approx(0.5)
    assert found["gain/localisation"] == 0


def test_of_several_causes_place_goes_before_class():
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 9, 0, 0, 10, 5)], categories=(5, 9))
    # IoU 0.48 with its own class 5 and 0.96 with class 9.
    found = detection_errors(truth, [result(1, 5, (0, 0, 10, 4.8), 0.9)])
    assert counts(found) == {"localisation": 1, "missed": 1}


@pytest.mark.parametrize("overlap", [5, 2])
def test_the_thresholds_can_be_chosen(overlap):
    results = [RIGHT, result(1, 5, (0, 0, 10, overlap), 0.9)]
    found = detection_errors(TRUTH, results, threshold=0.6, background=0.3)
    assert counts(found) == (
        {"localisation": 1} if overlap == 5 else {"background": 1, "missed": 1}
    )


def test_what_lies_in_a_crowd_has_no_cause():
    truth = coco([(1, 5, 0, 0, 10, 10), (1, 5, 20, 20, 20, 20)], categories=(5,))
    truth["annotations"][1]["iscrowd"] = 1
    found = detection_errors(truth, [LEFT, result(1, 5, (22, 22, 5, 5), 0.95)])
    assert counts(found) == {}
    assert found["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(4))
def test_the_precision_is_cocos(kind, seed):
    truth, results = scattered(seed)
    reference = evaluate_coco(truth, results, kind, backend="pycocotools")
    found = detection_errors(truth, results, kind)
    assert found["AP"] == pytest.approx(reference["all/AP50"], abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_hotcoco_splits_alike(seed):
    import hotcoco

    truth, results = scattered(seed, crowds=False)  # with crowds the two part
    with contextlib.redirect_stdout(io.StringIO()):
        gt = hotcoco.COCO({"info": {}, **{k: [dict(e) for e in truth[k]] for k in truth}})
        evaluator = hotcoco.COCOeval(gt, gt.loadRes([dict(r) for r in results]), "bbox")
        evaluator.evaluate()
    reference = evaluator.tide_errors()
    found = detection_errors(truth, results)
    short = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
    for key, cause in zip(short, CAUSES, strict=True):
        assert found[f"count/{cause}"] == reference["counts"][key]
        assert found[f"gain/{cause}"] == pytest.approx(reference["delta_ap"][key], abs=1e-9)
    for key, name in (("FP", "false positives"), ("FN", "false negatives")):
        assert found[f"gain/{name}"] == pytest.approx(reference["delta_ap"][key], abs=1e-9)


def test_nothing_found_and_nothing_to_find():
    found = detection_errors(TRUTH, [])
    assert counts(found) == {"missed": 2}
    assert found["AP"] == 0
    assert math.isnan(detection_errors(coco([]), [LEFT])["AP"])


@pytest.mark.parametrize("pair", [(0.5, 0.0), (0.3, 0.3), (1.1, 0.1)])
def test_thresholds_in_order(pair):
    with pytest.raises(InputError, match="background < threshold <= 1"):
        detection_errors(TRUTH, [], threshold=pair[0], background=pair[1])
